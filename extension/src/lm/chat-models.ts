import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import * as z from 'zod';
import { messagesProblem } from '../connection/client.ts';
import type { ServerConnection } from '../connection/connection.ts';
import { parse } from '../connection/events.ts';
import type { Problems } from '../problems.ts';
import { type ChatMessage, type ChatRequest, messagesBody } from './messages-request.ts';

/** A window that the provider does not tell: the smallest of today's models. */
const usualContext = 200_000;
/** Longest answer, where the model could write more. */
const answerTokens = 32_000;
/** Texts whose tokens are remembered; the editor counts the same ones again and again. */
const counted = 500;
/** Characters of a token, where it cannot be counted. */
const charsPerToken = 3.5;

/** A piece of an answer. */
export type AnswerPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly callId: string; readonly name: string; readonly input: object };

export interface OfferedModel extends Pick<ModelInfo, 'id' | 'name'> {
  readonly family: string;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
}

const Event = z.discriminatedUnion('type', [
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
const Input = z.record(z.string(), z.json());
const Count = z.object({ input_tokens: z.int().min(0) });

export interface ChatModelsOptions {
  readonly connection: Pick<ServerConnection, 'call' | 'messages' | 'ready'>;
  readonly problems: Problems;
}

/** The server's models as VS Code's own chat, and any extension that uses `vscode.lm`, can call them. */
export class ChatModels {
  readonly #options: ChatModelsOptions;
  readonly #counts = new Map<string, number>();

  constructor(options: ChatModelsOptions) {
    this.#options = options;
  }

  async list(signal: AbortSignal): Promise<OfferedModel[]> {
    const { models } = await this.#options.connection.call('models.list', {}, { signal });
    return models.map(({ id, name, contextTokens, maxOutputTokens }) => {
      const output = Math.min(maxOutputTokens ?? answerTokens, answerTokens);
      return {
        id,
        name,
        family: id.replace(/-\d{8}$/, ''),
        maxInputTokens: Math.max(1, (contextTokens ?? usualContext) - output),
        maxOutputTokens: output,
      };
    });
  }

  /**
   * Asks a model and reports its answer as it comes; a tool call once its input is whole.
   * @throws ProblemError `provider_error` with the provider's words, or the signal's reason
   */
  async respond(request: ChatRequest, report: (part: AnswerPart) => void, signal: AbortSignal): Promise<void> {
    const { connection, problems } = this.#options;
    let call: { callId: string; name: string; json: string } | undefined;
    let ended = false;
    for await (const messages of connection.messages(messagesBody(request), signal)) {
      for (const { data } of messages) {
        const said = parse(data);
        const event = Event.safeParse(said).data;
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
            if (event.delta.stop_reason === 'refusal')
              throw problems.provider(422, 'The model declined to answer this.');
            break;
          case 'message_stop':
            ended = true;
            break;
          case 'error':
            throw new ProblemError(messagesProblem(529, said, problems) ?? problems.badResponse().problem);
        }
      }
    }
    signal.throwIfAborted();
    // Half an answer must not pass for a whole one.
    if (!ended) throw problems.provider(502, 'The answer broke off before its end.');
  }

  /** Tokens of a text or a message, counted by the provider; estimated where that fails. */
  async count(model: string, message: ChatMessage, signal: AbortSignal): Promise<number> {
    const { messages } = messagesBody({
      model,
      maxTokens: 1,
      // Calls of tools stand in answers alone, and their results after them.
      messages: [{ role: 'user', parts: message.parts.map(asText) }],
      tools: [],
      toolRequired: false,
      options: {},
    });
    if (messages.length === 0) return 0;
    const key = JSON.stringify([model, messages]);
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    try {
      const client = await this.#options.connection.ready(signal);
      const counts = Count.parse(await client.messages('/v1/messages/count_tokens', { model, messages }, { signal }));
      this.#remember(key, counts.input_tokens);
      return counts.input_tokens;
    } catch {
      signal.throwIfAborted();
      return Math.ceil(key.length / charsPerToken);
    }
  }

  #remember(key: string, tokens: number): void {
    // Long ones are not asked for twice, and would fill the memory.
    if (key.length > 20_000) return;
    this.#counts.set(key, tokens);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= counted) break;
      this.#counts.delete(oldest);
    }
  }
}

function asText(part: ChatMessage['parts'][number]): ChatMessage['parts'][number] {
  return part.kind === 'call' || part.kind === 'result' ? { kind: 'text', text: JSON.stringify(part) } : part;
}

/** @throws ProblemError when the answer was cut short in the middle of a call */
function inputOf(json: string, problems: Problems): object {
  const input = Input.safeParse(parse(json || '{}'));
  if (!input.success) throw problems.provider(502, 'The model called a tool with something that is no JSON object.');
  return input.data;
}
