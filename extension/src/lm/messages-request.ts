import * as z from 'zod';

/* Conversion of the editor's chats to Messages API requests: https://platform.claude.com/docs/en/api/messages */

/** A part of a message. It does not use the editor's classes, so that this file runs in plain Node. */
export type ChatPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly mediaType: string; readonly data: Uint8Array }
  | { readonly kind: 'call'; readonly callId: string; readonly name: string; readonly input: object }
  | { readonly kind: 'result'; readonly callId: string; readonly content: readonly ChatPart[] };

/** A message of the editor's chat. */
export interface ChatMessage {
  readonly role: 'user' | 'assistant' | 'system';
  readonly parts: readonly ChatPart[];
}

/** A request of the editor's chat. */
export interface ChatRequest {
  readonly model: string;
  /** Maximum length of the answer, in tokens. */
  readonly maxTokens: number;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly { readonly name: string; readonly description: string; readonly inputSchema?: unknown }[];
  /** Whether the model has to call a tool. */
  readonly toolRequired: boolean;
  /** Model options of the caller. Unknown ones are ignored. */
  readonly options: unknown;
}

/** Model options that are passed on. */
const ModelOptions = z.object({
  temperature: z.number().min(0).max(1).optional().catch(undefined),
  top_p: z.number().min(0).max(1).optional().catch(undefined),
  max_tokens: z.int().min(1).optional().catch(undefined),
});
/** A JSON schema of the input of a tool. */
const ToolSchema = z.looseObject({ type: z.literal('object') });

/** A content block of the Messages API. */
type ContentBlock = { readonly type: string; readonly [name: string]: unknown };
/** A message of the Messages API. */
interface RequestMessage {
  role: 'user' | 'assistant';
  content: ContentBlock[];
}

/**
 * Returns the body of a streaming request, with cache breakpoints on the system text and on the last two user
 * messages. Empty texts are left out, because the API refuses them.
 */
export function messagesBody({ model, maxTokens, messages, tools, toolRequired, options }: ChatRequest) {
  const { max_tokens: requestedTokens, ...sampling } = ModelOptions.catch({}).parse(options ?? {});
  const system = messages.filter(({ role }) => role === 'system').flatMap(({ parts }) => blocksOf(parts));
  const joined = mergeMessages(
    messages.flatMap(({ role, parts }) => (role === 'system' ? [] : [{ role, content: blocksOf(parts) }])),
  );
  return {
    model,
    max_tokens: Math.min(requestedTokens ?? maxTokens, maxTokens),
    stream: true,
    ...sampling,
    ...(system.length > 0 ? { system: withBreakpoint(system) } : {}),
    messages: withBreakpoints(joined),
    ...(tools.length > 0
      ? {
          tools: tools.map(({ name, description, inputSchema }) => ({
            name,
            description,
            input_schema: ToolSchema.safeParse(inputSchema).data ?? { type: 'object' },
          })),
          tool_choice: { type: toolRequired ? 'any' : 'auto' },
        }
      : {}),
  };
}

function blocksOf(parts: readonly ChatPart[]): ContentBlock[] {
  return parts.filter((part) => part.kind !== 'text' || part.text.trim() !== '').map(blockOf);
}

function blockOf(part: ChatPart): ContentBlock {
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

/** Merges consecutive messages of the same role and drops empty ones. */
function mergeMessages(messages: readonly RequestMessage[]): RequestMessage[] {
  const joined: RequestMessage[] = [];
  for (const { role, content } of messages) {
    if (content.length === 0) continue;
    const last = joined.at(-1);
    if (last?.role === role) last.content.push(...content);
    else joined.push({ role, content: [...content] });
  }
  return joined;
}

function withBreakpoints(messages: readonly RequestMessage[]): RequestMessage[] {
  const marked = new Set(messages.filter(({ role }) => role === 'user').slice(-2));
  return messages.map((message) =>
    marked.has(message) ? { role: message.role, content: withBreakpoint(message.content) } : message,
  );
}

function withBreakpoint(blocks: readonly ContentBlock[]): ContentBlock[] {
  return blocks.map((block, at) =>
    at === blocks.length - 1 ? { ...block, cache_control: { type: 'ephemeral' } } : block,
  );
}
