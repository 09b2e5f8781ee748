import * as z from 'zod';

/*
 * A chat of the editor's as a request of the Messages API: https://platform.claude.com/docs/en/api/messages
 */

/** One piece of a message. It does not name the editor's classes, so that plain Node can run this. */
export type ChatPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly mediaType: string; readonly data: Uint8Array }
  | { readonly kind: 'call'; readonly callId: string; readonly name: string; readonly input: object }
  | { readonly kind: 'result'; readonly callId: string; readonly content: readonly ChatPart[] };

export interface ChatMessage {
  readonly role: 'user' | 'assistant' | 'system';
  readonly parts: readonly ChatPart[];
}

export interface ChatRequest {
  readonly model: string;
  /** Longest answer, tokens. */
  readonly maxTokens: number;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly { readonly name: string; readonly description: string; readonly inputSchema?: unknown }[];
  /** The model has to call a tool. */
  readonly toolRequired: boolean;
  /** What the caller sets of the model; what is not known here is left out. */
  readonly options: unknown;
}

const Options = z.object({
  temperature: z.number().min(0).max(1).optional().catch(undefined),
  top_p: z.number().min(0).max(1).optional().catch(undefined),
  max_tokens: z.int().min(1).optional().catch(undefined),
});
const Schema = z.looseObject({ type: z.literal('object') });

type Block = { readonly type: string; readonly [name: string]: unknown };
interface Message {
  role: 'user' | 'assistant';
  content: Block[];
}

/**
 * The body of the call, streamed, with cache breakpoints on the system text and the last two messages of the person.
 * Empty texts are left out: the API refuses them.
 */
export function messagesBody({ model, maxTokens, messages, tools, toolRequired, options }: ChatRequest) {
  const { max_tokens: wished, ...sampling } = Options.catch({}).parse(options ?? {});
  const system = messages.filter(({ role }) => role === 'system').flatMap(({ parts }) => blocksOf(parts));
  const said = joinNeighbours(
    messages.flatMap(({ role, parts }) => (role === 'system' ? [] : [{ role, content: blocksOf(parts) }])),
  );
  return {
    model,
    max_tokens: Math.min(wished ?? maxTokens, maxTokens),
    stream: true,
    ...sampling,
    ...(system.length > 0 ? { system: withBreakpoint(system) } : {}),
    messages: withBreakpoints(said),
    ...(tools.length > 0
      ? {
          tools: tools.map(({ name, description, inputSchema }) => ({
            name,
            description,
            input_schema: Schema.safeParse(inputSchema).data ?? { type: 'object' },
          })),
          tool_choice: { type: toolRequired ? 'any' : 'auto' },
        }
      : {}),
  };
}

function blocksOf(parts: readonly ChatPart[]): Block[] {
  return parts.filter((part) => part.kind !== 'text' || part.text.trim() !== '').map(blockOf);
}

function blockOf(part: ChatPart): Block {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text.toWellFormed() };
    case 'image': {
      const data = Buffer.from(part.data).toString('base64');
      return { type: 'image', source: { type: 'base64', media_type: part.mediaType, data } };
    }
    case 'call':
      return { type: 'tool_use', id: part.callId, name: part.name, input: part.input };
    case 'result': {
      const content = blocksOf(part.content);
      return { type: 'tool_result', tool_use_id: part.callId, ...(content.length > 0 ? { content } : {}) };
    }
  }
}

/** Messages of one role in a row become one; those without content are left out. */
function joinNeighbours(messages: readonly Message[]): Message[] {
  const joined: Message[] = [];
  for (const { role, content } of messages) {
    if (content.length === 0) continue;
    const last = joined.at(-1);
    if (last?.role === role) last.content.push(...content);
    else joined.push({ role, content: [...content] });
  }
  return joined;
}

function withBreakpoints(messages: readonly Message[]): Message[] {
  const marked = new Set(messages.filter(({ role }) => role === 'user').slice(-2));
  return messages.map((message) =>
    marked.has(message) ? { role: message.role, content: withBreakpoint(message.content) } : message,
  );
}

function withBreakpoint(blocks: readonly Block[]): Block[] {
  return blocks.map((block, at) =>
    at === blocks.length - 1 ? { ...block, cache_control: { type: 'ephemeral' } } : block,
  );
}
