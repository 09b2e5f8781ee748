import { type RawReply, rawSse } from './answer.ts';
import { sse } from './events.ts';

/** A tool call whose input is written as the model wrote it, valid JSON or not. */
export interface RawCall {
  readonly id: string;
  readonly name: string;
  readonly json: string;
}

/** Maximum length of a delta, in UTF-16 code units. */
const deltaChars = 16_384;

/** Returns an answer of only these calls, as the API streams it if a model's input is not valid JSON. */
export function rawCalls(model: string, calls: readonly RawCall[]): RawReply {
  const usage = { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const message = { id: 'msg_01raw', type: 'message', role: 'assistant', model, content: [], usage };
  const events = [['message_start', { message: { ...message, stop_reason: null, stop_sequence: null } }]] as [
    string,
    object,
  ][];
  for (const [index, { id, name, json }] of calls.entries()) {
    events.push(['content_block_start', { index, content_block: { type: 'tool_use', id, name, input: {} } }]);
    for (let at = 0; at < json.length; at += deltaChars) {
      const delta = { type: 'input_json_delta', partial_json: json.slice(at, at + deltaChars) };
      events.push(['content_block_delta', { index, delta }]);
    }
    events.push(['content_block_stop', { index }]);
  }
  events.push(['message_delta', { delta: { stop_reason: 'tool_use', stop_sequence: null }, usage }]);
  events.push(['message_stop', {}]);
  return rawSse(events.map(([type, rest]) => sse(type, { type, ...rest })).join(''));
}
