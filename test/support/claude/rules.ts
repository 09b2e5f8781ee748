import { breakpointsOf } from './cache.ts';
import type { StandInModel } from './models.ts';
import type { ApiVersion, BlockParam, CountTokensRequest, MessageParam, MessagesRequest } from './request.ts';
import { blocksOf } from './request.ts';
import type { Signer } from './signer.ts';
import { promptTokens } from './tokens.ts';

/*
 * Rules that the API enforces in addition to the schema of a request. Each function returns the message of a 400 in the
 * API's wording, which people search for, or undefined.
 */

/** Returns the problem of a prompt, by the rules for messages and for counting their tokens. */
export function promptProblem(request: CountTokensRequest, signer: Signer, version: ApiVersion): string | undefined {
  return (
    (version >= '2026-10-21' ? removedProblem(request) : undefined) ??
    contentProblem(request) ??
    toolProblem(request) ??
    pairingProblem(request.messages) ??
    thinkingBlockProblem(request, signer) ??
    cacheProblem(request)
  );
}

/** Checks the rules that apply only to messages. */
export function messageProblem(request: MessagesRequest, model: StandInModel): string | undefined {
  return thinkingProblem(request, model) ?? lengthProblem(request, model) ?? endProblem(request, model);
}

/** Returns the problem of a request with features that API version 2026-10-21 no longer accepts. */
function removedProblem(request: CountTokensRequest): string | undefined {
  for (const name of ['temperature', 'top_p', 'top_k']) {
    if (name in request) return `${name}: Extra inputs are not permitted`;
  }
  for (const [at, { role, content }] of request.messages.entries()) {
    for (const [inner, block] of blocksOf(content).entries()) {
      const path = `messages.${at}.content.${inner}`;
      if (role === 'assistant' && block.type === 'document') {
        return `${path}: \`document\` blocks are not permitted in \`assistant\` messages`;
      }
      if (role === 'user' && block.type === 'text' && block.citations?.length) {
        return `${path}.text.citations: citations are not permitted in \`user\` messages`;
      }
    }
  }
  return undefined;
}

function contentProblem(request: CountTokensRequest): string | undefined {
  for (const block of blocksOf(request.system ?? [])) {
    if (block.type === 'text' && block.text === '' && typeof request.system !== 'string') {
      return 'system: text content blocks must be non-empty';
    }
  }
  if (request.messages[0]?.role === 'assistant') return 'messages: first message must use the "user" role';
  for (const [at, message] of request.messages.entries()) {
    const last = at === request.messages.length - 1;
    if (message.content.length === 0 && !(last && message.role === 'assistant')) {
      return `messages.${at}: all messages must have non-empty content except for the optional final assistant message`;
    }
    for (const [inner, block] of blocksOf(message.content).entries()) {
      const problem = blockProblem(message.role, block, `messages.${at}.content.${inner}`);
      if (problem) return problem;
    }
  }
  return undefined;
}

const assistantOnly = new Set([
  'tool_use',
  'thinking',
  'redacted_thinking',
  'server_tool_use',
  'web_search_tool_result',
]);

function blockProblem(role: MessageParam['role'], block: BlockParam, path: string): string | undefined {
  if (block.type === 'text' && block.text === '') return 'messages: text content blocks must be non-empty';
  if (role !== 'assistant' && assistantOnly.has(block.type)) {
    return `${path}: \`${block.type}\` blocks can only be in \`assistant\` messages`;
  }
  if (role !== 'user' && block.type === 'tool_result') {
    return `${path}: \`tool_result\` blocks can only be in \`user\` messages`;
  }
  if (role === 'system' && block.type !== 'text') return `${path}: \`system\` messages may hold text only`;
  return block.type === 'image' ? imageProblem(block, path) : undefined;
}

const maxImageBytes = 5 * 1024 * 1024;
const magic: Readonly<Record<string, string>> = {
  'image/png': 'iVBORw0KGgo',
  'image/jpeg': '/9j/',
  'image/gif': 'R0lGOD',
  'image/webp': 'UklGR',
};

function imageProblem(block: Extract<BlockParam, { type: 'image' }>, path: string): string | undefined {
  if (block.source.type !== 'base64') return undefined;
  const { data, media_type: type } = block.source;
  const where = `${path}.image.source.base64`;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data) || data.length % 4 !== 0) return `${where}.data: invalid base64 data`;
  const bytes = Buffer.byteLength(data, 'base64');
  if (bytes > maxImageBytes) return `${where}: image exceeds 5 MB maximum: ${bytes} bytes > ${maxImageBytes} bytes`;
  if (!data.startsWith(magic[type] ?? '')) {
    return `${where}.data: The image does not appear to be of the media type ${type}`;
  }
  return undefined;
}

function toolProblem(request: CountTokensRequest): string | undefined {
  const names = new Set<string>();
  for (const [at, tool] of (request.tools ?? []).entries()) {
    const custom = tool.type === undefined || tool.type === null || tool.type === 'custom';
    if (tool.name === undefined) {
      if (custom) return `tools.${at}.custom.name: Field required`;
      continue;
    }
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name)) {
      return `tools.${at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`;
    }
    if (custom && !tool.input_schema) return `tools.${at}.custom.input_schema: Field required`;
    if (names.has(tool.name)) return 'tools: Tool names must be unique.';
    names.add(tool.name);
  }
  const choice = request.tool_choice;
  if (!choice) return undefined;
  if (!request.tools?.length && choice.type !== 'none') return 'tool_choice: may only be set when `tools` is provided';
  if (choice.type === 'tool' && !names.has(choice.name)) {
    return `Tool '${choice.name}' not found in provided tools`;
  }
  return undefined;
}

/** The next message has to begin with the results of all tool calls, and with no others. */
function pairingProblem(messages: readonly MessageParam[]): string | undefined {
  const seen = new Set<string>();
  let open = new Set<string>();
  let openAt = 0;
  for (const { role, blocks, at } of merged(messages)) {
    if (role === 'assistant') {
      open = new Set();
      openAt = at;
      for (const block of blocks) {
        if (block.type !== 'tool_use') continue;
        if (seen.has(block.id)) return `messages.${at}: \`tool_use\` ids must be unique`;
        seen.add(block.id);
        open.add(block.id);
      }
      continue;
    }
    const expected = new Set(open);
    let leading = true;
    for (const [inner, block] of blocks.entries()) {
      if (block.type !== 'tool_result') {
        leading = false;
        continue;
      }
      if (!expected.has(block.tool_use_id)) {
        return `messages.${at}.content.${inner}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
      }
      if (leading) open.delete(block.tool_use_id);
    }
    if (open.size > 0) return unanswered(openAt, open);
    open = new Set();
  }
  return open.size > 0 ? unanswered(openAt, open) : undefined;
}

function unanswered(at: number, ids: ReadonlySet<string>): string {
  return `messages.${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${[...ids].join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`;
}

/** Consecutive messages of the same role count as one. */
function merged(messages: readonly MessageParam[]) {
  const turns: { role: MessageParam['role']; blocks: BlockParam[]; at: number }[] = [];
  for (const [at, message] of messages.entries()) {
    if (message.role === 'system') continue;
    const last = turns.at(-1);
    if (last?.role === message.role) last.blocks.push(...blocksOf(message.content));
    else turns.push({ role: message.role, blocks: [...blocksOf(message.content)], at });
  }
  return turns;
}

function thinkingBlockProblem(request: CountTokensRequest, signer: Signer): string | undefined {
  for (const [at, message] of request.messages.entries()) {
    for (const [inner, block] of blocksOf(message.content).entries()) {
      if (block.type === 'thinking' && !signer.knows(block.thinking, block.signature)) {
        return `messages.${at}.content.${inner}: Invalid \`signature\` in \`thinking\` block`;
      }
      if (block.type === 'redacted_thinking' && !signer.knowsRedacted(block.data)) {
        return `messages.${at}.content.${inner}: Invalid \`data\` in \`redacted_thinking\` block`;
      }
    }
  }
  return undefined;
}

function cacheProblem(request: CountTokensRequest): string | undefined {
  const { count, misordered } = breakpointsOf(request);
  if (count > 4) return `A maximum of 4 blocks with cache_control may be provided. Found ${count}.`;
  if (misordered) {
    return "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.";
  }
  return undefined;
}

function thinkingProblem(request: MessagesRequest, model: StandInModel): string | undefined {
  const { thinking } = request;
  if (!thinking) return undefined;
  const types = model.info.capabilities?.thinking.types;
  if (!types?.[thinking.type].supported) {
    return thinking.type === 'enabled' && types?.adaptive.supported
      ? '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
      : `"thinking.type.${thinking.type}" is not supported for this model.`;
  }
  if (thinking.type !== 'enabled' && thinking.type !== 'adaptive') return undefined;
  if (thinking.type === 'enabled' && thinking.budget_tokens >= request.max_tokens) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  }
  if (request.temperature !== undefined && request.temperature !== 1) {
    return '`temperature` may only be set to 1 when thinking is enabled.';
  }
  if (request.tool_choice?.type === 'any' || request.tool_choice?.type === 'tool') {
    return 'Thinking may not be enabled when tool_choice forces tool use.';
  }
  return thinking.type === 'enabled' ? missingThinking(request.messages) : undefined;
}

/** With a thinking budget, the answer that called the tools has to be sent back with its thinking first. */
function missingThinking(messages: readonly MessageParam[]): string | undefined {
  const turns = merged(messages);
  const last = turns.at(-1);
  const caller = turns.at(-2);
  const first = caller?.blocks[0];
  if (!last?.blocks.some((block) => block.type === 'tool_result') || !first) return undefined;
  if (first.type === 'thinking' || first.type === 'redacted_thinking') return undefined;
  return `messages.${caller.at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first.type}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`;
}

function lengthProblem(request: MessagesRequest, model: StandInModel): string | undefined {
  const { id, max_tokens: most, max_input_tokens: window } = model.info;
  if (most !== null && request.max_tokens > most) {
    return `max_tokens: ${request.max_tokens} > ${most}, which is the maximum allowed number of output tokens for ${id}`;
  }
  const tokens = promptTokens(request);
  return window !== null && tokens > window ? `prompt is too long: ${tokens} tokens > ${window} maximum` : undefined;
}

function endProblem(request: MessagesRequest, model: StandInModel): string | undefined {
  const last = request.messages.at(-1);
  if (last?.role !== 'assistant') return undefined;
  const end = blocksOf(last.content).at(-1);
  // A paused turn is sent back unchanged, to be continued.
  if (end?.type === 'server_tool_use' || end?.type === 'web_search_tool_result') return undefined;
  if (!model.prefill) {
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  }
  return end?.type === 'text' && /\s$/.test(end.text)
    ? 'messages: final assistant content cannot end with trailing whitespace'
    : undefined;
}
