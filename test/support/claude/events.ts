import type { ContentBlock } from '@anthropic-ai/sdk/resources/messages';
import type { Composed } from './compose.ts';
import { isHighSurrogate } from './compose.ts';

/** One server-sent event, ready to be written. */
export interface Frame {
  readonly text: string;
  /** Whether the event is a delta, to which a pace applies. */
  readonly delta: boolean;
}

/** Encodes a server-sent event. */
export function sse(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The ping event. */
export const ping: Frame = { text: 'event: ping\ndata: {"type": "ping"}\n\n', delta: false };

/** Returns the events of an answer, in the order that the API reference prescribes. */
export function* frames({ message, inputs }: Composed, chunkChars: number): Generator<Frame> {
  const { content, stop_reason, stop_sequence, stop_details, usage, ...head } = message;
  const opened = { ...usage, output_tokens: 1, output_tokens_details: null, server_tool_use: null };
  yield mark('message_start', {
    message: { ...head, content: [], stop_reason: null, stop_sequence: null, stop_details: null, usage: opened },
  });
  if (content.length === 0) yield ping;
  for (const [index, block] of content.entries()) {
    yield mark('content_block_start', { index, content_block: beginning(block) });
    if (index === 0) yield ping;
    for (const delta of deltas(block, inputs.get(index) ?? '{}', chunkChars)) {
      yield { text: sse('content_block_delta', { type: 'content_block_delta', index, delta }), delta: true };
    }
    yield mark('content_block_stop', { index });
  }
  yield mark('message_delta', {
    delta: { stop_reason, stop_sequence, stop_details, container: null },
    usage: {
      input_tokens: usage.input_tokens,
      cache_creation_input_tokens: usage.cache_creation_input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      output_tokens: usage.output_tokens,
      output_tokens_details: usage.output_tokens_details,
      server_tool_use: usage.server_tool_use,
    },
  });
  yield mark('message_stop', {});
}

function mark(type: string, rest: object): Frame {
  return { text: sse(type, { type, ...rest }), delta: false };
}

function beginning(block: ContentBlock): object {
  switch (block.type) {
    case 'text':
      return block.citations ? { type: 'text', text: '', citations: [] } : { type: 'text', text: '' };
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' };
    case 'tool_use':
    case 'server_tool_use':
      return { ...block, input: {} };
    default:
      return block;
  }
}

function* deltas(block: ContentBlock, input: string, chunkChars: number): Generator<object> {
  switch (block.type) {
    case 'text':
      for (const text of pieces(block.text, chunkChars)) yield { type: 'text_delta', text };
      for (const citation of block.citations ?? []) yield { type: 'citations_delta', citation };
      break;
    case 'thinking':
      for (const thinking of pieces(block.thinking, chunkChars)) yield { type: 'thinking_delta', thinking };
      yield { type: 'signature_delta', signature: block.signature };
      break;
    case 'tool_use':
    case 'server_tool_use':
      yield { type: 'input_json_delta', partial_json: '' };
      for (const partial_json of pieces(input, chunkChars)) yield { type: 'input_json_delta', partial_json };
      break;
  }
}

/** Splits text into pieces, never within a surrogate pair. */
function* pieces(words: string, length: number): Generator<string> {
  const step = Math.max(1, length);
  for (let at = 0; at < words.length; ) {
    let end = Math.min(words.length, at + step);
    if (end < words.length && isHighSurrogate(words, end - 1)) end++;
    yield words.slice(at, end);
    at = end;
  }
}
