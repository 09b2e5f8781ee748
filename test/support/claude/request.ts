import * as z from 'zod';

/*
 * Schema of a Messages request, as the published reference describes it. It is strict, because the real API also
 * answers 400 to unknown fields.
 */

const CacheControl = z
  .strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() })
  .nullable()
  .optional();
/** Cache breakpoint of a block. */
export type CacheControl = z.infer<typeof CacheControl>;

const ToolId = z.string().regex(/^[a-zA-Z0-9_-]+$/);
const Caller = z.looseObject({ type: z.string() }).optional();

const TextParam = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  cache_control: CacheControl,
  citations: z.array(z.looseObject({ type: z.string() })).nullish(),
});

const ImageParam = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: z.string(),
    }),
    z.strictObject({ type: z.literal('url'), url: z.string() }),
    z.strictObject({ type: z.literal('file'), file_id: z.string() }),
  ]),
  cache_control: CacheControl,
  transformations: z.unknown().optional(),
});

/** Types of blocks whose content is not checked. */
const OtherParam = z.looseObject({
  type: z.enum([
    'document',
    'search_result',
    'tool_reference',
    'browser_state',
    'container_upload',
    'web_fetch_tool_result',
    'code_execution_tool_result',
    'bash_code_execution_tool_result',
    'text_editor_code_execution_tool_result',
    'tool_search_tool_result',
    'mcp_tool_use',
    'mcp_tool_result',
    'compaction',
    'fallback',
  ]),
  cache_control: CacheControl,
});

const BlockParam = z.discriminatedUnion('type', [
  TextParam,
  ImageParam,
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
  z.strictObject({
    type: z.literal('tool_use'),
    id: ToolId,
    name: z.string().min(1).max(200),
    input: z.record(z.string(), z.unknown()),
    cache_control: CacheControl,
    caller: Caller,
    toolset_name: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal('tool_result'),
    tool_use_id: ToolId,
    content: z
      .union([z.string(), z.array(z.discriminatedUnion('type', [TextParam, ImageParam, OtherParam]))])
      .optional(),
    is_error: z.boolean().nullish(),
    cache_control: CacheControl,
    toolset_name: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal('server_tool_use'),
    id: ToolId,
    name: z.string().min(1),
    input: z.record(z.string(), z.unknown()),
    cache_control: CacheControl,
    caller: Caller,
  }),
  z.strictObject({
    type: z.literal('web_search_tool_result'),
    tool_use_id: ToolId,
    content: z.union([z.array(z.looseObject({ type: z.literal('web_search_result') })), z.looseObject({})]),
    cache_control: CacheControl,
    caller: Caller,
  }),
  OtherParam,
]);
/** A content block of a message. */
export type BlockParam = z.infer<typeof BlockParam>;

const MessageParam = z.strictObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(BlockParam)]),
});
/** A message of a request. */
export type MessageParam = z.infer<typeof MessageParam>;

const ToolParam = z.looseObject({
  type: z.string().nullish(),
  name: z.string().optional(),
  description: z.string().optional(),
  input_schema: z.looseObject({ type: z.literal('object') }).optional(),
  cache_control: CacheControl,
});
/** A tool of a request. */
export type ToolParam = z.infer<typeof ToolParam>;

const Display = z.enum(['summarized', 'omitted']).nullish();

const shared = {
  model: z.string().min(1).max(256),
  messages: z.array(MessageParam).min(1).max(100_000),
  system: z.union([z.string(), z.array(TextParam)]).optional(),
  tools: z.array(ToolParam).optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), disable_parallel_tool_use: z.boolean().optional() }),
      z.strictObject({ type: z.literal('any'), disable_parallel_tool_use: z.boolean().optional() }),
      z.strictObject({
        type: z.literal('tool'),
        name: z.string(),
        disable_parallel_tool_use: z.boolean().optional(),
      }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .optional(),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024), display: Display }),
      z.strictObject({ type: z.literal('adaptive'), display: Display }),
      z.strictObject({ type: z.literal('between_tools') }),
      z.strictObject({ type: z.literal('disabled') }),
    ])
    .optional(),
  output_config: z.looseObject({}).nullish(),
  cache_control: CacheControl,
};

/** Schema of a request for a message. */
export const MessagesRequest = z.strictObject({
  ...shared,
  max_tokens: z.int().min(0),
  stream: z.boolean().optional(),
  /** These three exist only up to API version 2023-06-01. */
  temperature: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  top_p: z.number().min(0).max(1).optional(),
  stop_sequences: z.array(z.string().min(1)).optional(),
  metadata: z.strictObject({ user_id: z.string().max(256).nullish() }).nullish(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
  container: z.unknown().optional(),
  diagnostics: z.looseObject({}).nullish(),
  inference_geo: z.string().nullish(),
  speed: z.enum(['standard', 'fast']).nullish(),
});
/** A request for a message. */
export type MessagesRequest = z.infer<typeof MessagesRequest>;

/** Schema of a request to count tokens. */
export const CountTokensRequest = z.strictObject(shared);
/** A request to count tokens. */
export type CountTokensRequest = z.infer<typeof CountTokensRequest>;

/** Values of the `anthropic-version` header, oldest first. */
export const apiVersions = ['2023-01-01', '2023-06-01', '2026-10-21'] as const;
/** A version of the Messages API. */
export type ApiVersion = (typeof apiVersions)[number];

/** Returns the blocks of a message. Text given as a string is one text block. */
export function blocksOf(content: string | readonly BlockParam[]): readonly BlockParam[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** Returns the text blocks of the last user message, joined by line feeds, or an empty string. */
export function lastUserText(messages: readonly MessageParam[]): string {
  const last = messages.findLast((message) => message.role === 'user');
  if (!last) return '';
  return blocksOf(last.content)
    .flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('\n');
}

type Issue = z.core.$ZodIssue;

/** Returns what is wrong with a body, in the API's format (`path: sentence`), or undefined. */
export function shapeProblem(schema: z.ZodType, body: unknown, beta: boolean): string | undefined {
  const parsed = schema.safeParse(body);
  if (parsed.success) return undefined;
  const issues = parsed.error.issues.flatMap((issue) => flatten(issue, body));
  // Beta features have fields that are not in the reference.
  const counted = issues.filter((issue) => !(beta && issue.code === 'unrecognized_keys'));
  const first = counted[0];
  return first ? sentence(first, body) : undefined;
}

/** Of the branches of a union, the one that matched furthest is the intended one. */
function flatten(issue: Issue, body: unknown): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const branches = issue.errors.map((branch) =>
    branch.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }, body)),
  );
  const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((each) => each.path.length));
  return branches.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
}

function sentence(issue: Issue, body: unknown): string {
  if (issue.code === 'unrecognized_keys') {
    const extra = { ...issue, path: [...issue.path, issue.keys[0] ?? ''] };
    return `${pathOf(extra, body).join('.')}: Extra inputs are not permitted`;
  }
  const path = pathOf(issue, body).join('.');
  switch (issue.code) {
    case 'invalid_type':
      return `${path}: ${valueAt(issue.path, body) === undefined ? 'Field required' : `Input should be a valid ${typeName(issue.expected)}`}`;
    case 'invalid_value':
      return `${path}: Input should be ${issue.values.map((value) => `'${String(value)}'`).join(' or ')}`;
    case 'invalid_union':
      return `${path}: Input tag does not match any of the expected tags`;
    case 'too_small':
      return issue.origin === 'array'
        ? `${path}: at least one item is required`
        : `${path}: Input should be greater than or equal to ${issue.minimum}`;
    default:
      return `${path}: ${issue.message}`;
  }
}

function typeName(expected: string): string {
  return { int: 'integer', array: 'list', object: 'dictionary', record: 'dictionary' }[expected] ?? expected;
}

/** The API includes the type of a content block in the path, as in `messages.0.content.1.tool_use.id`. */
function pathOf(issue: Issue, body: unknown): PropertyKey[] {
  return issue.path.flatMap((key, at) => {
    if (typeof key !== 'number' || at === issue.path.length - 1) return [key];
    const kind = valueAt([...issue.path.slice(0, at + 1), 'type'], body);
    return typeof kind === 'string' && issue.path[at + 1] !== 'type' ? [key, kind] : [key];
  });
}

function valueAt(path: readonly PropertyKey[], body: unknown): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    body,
  );
}
