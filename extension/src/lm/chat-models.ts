import { ProblemError } from '@devlm/protocol/problem.ts';
import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import * as z from 'zod';
import { messagesProblem } from '../connection/client.ts';
import type { ServerConnection } from '../connection/connection.ts';
import { parseJson } from '../json.ts';
import type { Problems } from '../problems.ts';
import { type ChatMessage, type ChatRequest, messagesBody } from './messages-request.ts';

/** Context window in tokens if the provider does not report one: that of the smallest current model. */
const defaultContextTokens = 200_000;
/** Maximum length of an answer in tokens, even if the model supports more. */
const maxAnswerTokens = 32_000;
/** Number of cached token counts. The editor counts the same texts again and again. */
const maxCachedCounts = 500;

/** A part of an answer. */
export type AnswerPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly callId: string; readonly name: string; readonly input: object };

/** A model as the editor lists it. */
export interface OfferedModel extends Pick<ModelInfo, 'id' | 'name'> {
  readonly family: string;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
}

/** An event of a streaming Messages API response. */
const StreamEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('content_block_start'),
    content_block: z.union([
      z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string() }),
      z.object({ type: z.string() }),
    ]),
  }),
  z.object({
    type: z.literal('content_block_delta'),
    delta: z.union([
      z.object({ type: z.literal('text_delta'), text: z.string() }),
      z.object({ type: z.literal('input_json_delta'), partial_json: z.string() }),
      z.object({ type: z.string() }),
    ]),
  }),
  z.object({ type: z.literal('content_block_stop') }),
  z.object({ type: z.literal('message_delta'), delta: z.object({ stop_reason: z.string().nullable().optional() }) }),
  z.object({ type: z.literal('message_stop') }),
  z.object({ type: z.literal('error') }),
]);
/** The input of a tool call. */
const ToolInput = z.record(z.string(), z.json());
/** Response of the token counting endpoint. */
const TokenCount = z.object({ input_tokens: z.int().min(0) });

/** Dependencies of `ChatModels`. */
export interface ChatModelsOptions {
  readonly connection: Pick<ServerConnection, 'call' | 'messages' | 'ready'>;
  readonly problems: Problems;
}

/** The server's models, for VS Code's own chat and for extensions that use `vscode.lm`. */
export class ChatModels {
  readonly #options: ChatModelsOptions;
  readonly #counts = new Map<string, number>();

  constructor(options: ChatModelsOptions) {
    this.#options = options;
  }

  /** Lists the models with their limits. */
  async list(signal: AbortSignal): Promise<OfferedModel[]> {
    const { models } = await this.#options.connection.call('models.list', {}, { signal });
    return models.map(({ id, name, contextTokens, maxOutputTokens }) => {
      const output = Math.min(maxOutputTokens ?? maxAnswerTokens, maxAnswerTokens);
      return {
        id,
        name,
        family: id.replace(/-\d{8}$/, ''),
        maxInputTokens: Math.max(1, (contextTokens ?? defaultContextTokens) - output),
        maxOutputTokens: output,
      };
    });
  }

  /**
   * Sends a request and reports the answer as it arrives. A tool call is reported when its input is complete.
   * @throws ProblemError `provider_error` with the provider's message; the signal's reason if aborted
   */
  async respond(request: ChatRequest, report: (part: AnswerPart) => void, signal: AbortSignal): Promise<void> {
    const { connection, problems } = this.#options;
    let call: { callId: string; name: string; json: string } | undefined;
    let ended = false;
    for await (const messages of connection.messages(messagesBody(request), signal)) {
      for (const { data } of messages) {
        const json = parseJson(data);
        const event = StreamEvent.safeParse(json).data;
        switch (event?.type) {
          case 'content_block_start': {
            const block = event.content_block;
            if ('id' in block) call = { callId: block.id, name: block.name, json: '' };
            break;
          }
          case 'content_block_delta': {
            const { delta } = event;
            if ('text' in delta) report({ kind: 'text', text: delta.text });
            else if ('partial_json' in delta && call) call.json += delta.partial_json;
            break;
          }
          case 'content_block_stop':
            if (call)
              report({ kind: 'call', callId: call.callId, name: call.name, input: inputOf(call.json, problems) });
            call = undefined;
            break;
          case 'message_delta':
            if (event.delta.stop_reason === 'refusal') throw problems.answerRefused();
            break;
          case 'message_stop':
            ended = true;
            break;
          case 'error':
            throw new ProblemError(messagesProblem(529, json, problems) ?? problems.badResponse().problem);
        }
      }
    }
    signal.throwIfAborted();
    // A partial answer must not be taken for a complete one.
    if (!ended) throw problems.answerIncomplete();
  }

  /** Returns the number of tokens in a message, counted by the provider, or an estimate if that fails. */
  async count(model: string, message: ChatMessage, signal: AbortSignal): Promise<number> {
    const { messages } = messagesBody({
      model,
      maxTokens: 1,
      // Tool calls are only valid in answers, and their results only after them: send them as text.
      messages: [{ role: 'user', parts: message.parts.map(asText) }],
      tools: [],
      toolRequired: false,
      options: {},
    });
    if (messages.length === 0) return 0;
    const key = JSON.stringify([model, messages]);
    const cached = this.#counts.get(key);
    if (cached !== undefined) return cached;
    try {
      const client = await this.#options.connection.ready(signal);
      const counts = TokenCount.parse(
        await client.messages('/v1/messages/count_tokens', { model, messages }, { signal }),
      );
      this.#remember(key, counts.input_tokens);
      return counts.input_tokens;
    } catch {
      signal.throwIfAborted();
      return estimateTokens(key.length);
    }
  }

  #remember(key: string, tokens: number): void {
    // Long texts are seldom counted twice, and would fill the memory.
    if (key.length > 20_000) return;
    this.#counts.set(key, tokens);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= maxCachedCounts) break;
      this.#counts.delete(oldest);
    }
  }
}

function asText(part: ChatMessage['parts'][number]): ChatMessage['parts'][number] {
  return part.kind === 'call' || part.kind === 'result' ? { kind: 'text', text: JSON.stringify(part) } : part;
}

/**
 * Parses the input of a tool call.
 * @throws ProblemError if the answer was cut off inside the call
 */
function inputOf(json: string, problems: Problems): object {
  const input = ToolInput.safeParse(parseJson(json || '{}'));
  if (!input.success) throw problems.badToolInput();
  return input.data;
}
