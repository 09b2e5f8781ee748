import type Anthropic from '@anthropic-ai/sdk';
import type { ModelContent, ModelMessage, ModelRequest } from './model.ts';

/**
 * Minimum thinking budget that the API accepts, in tokens. Models without adaptive thinking get half of the answer's
 * upper bound, but at least this budget.
 */
const minThinkingBudget = 1024;

/**
 * Returns a request of the port as one of the Messages API, with breakpoints for the prompt cache.
 *
 * @param known what the provider lists about the model; undefined if the list has not been read yet
 * @param maxOutputTokens upper bound of an answer, in tokens; a lower bound of the request or the model takes
 *   precedence
 */
export function messageParams(
  request: ModelRequest,
  known: Anthropic.ModelInfo | undefined,
  maxOutputTokens: number,
): Anthropic.MessageCreateParamsStreaming {
  const maxTokens = Math.min(request.maxTokens ?? Number.POSITIVE_INFINITY, maxOutputTokens);
  const max_tokens = Math.min(known?.max_tokens ?? maxTokens, maxTokens);
  return {
    model: request.model,
    max_tokens,
    stream: true,
    system: [{ type: 'text', text: request.system, cache_control: { type: 'ephemeral' } }],
    messages: withCacheBreakpoints(request.messages.map(toMessageParam)),
    ...toolsParam(request),
    ...(request.thinking ? { thinking: thinkingParam(request.model, known, max_tokens) } : {}),
  };
}

function toolsParam({ tools, webSearches = 0 }: ModelRequest): Pick<Anthropic.MessageCreateParams, 'tools'> {
  const own = tools.map((tool) => ({
    name: tool.name,
    description: tool.description,
    input_schema: { ...tool.inputSchema, type: 'object' as const },
  }));
  const search = { type: 'web_search_20250305', name: 'web_search', max_uses: webSearches } as const;
  const all = webSearches > 0 ? [...own, search] : own;
  return all.length > 0 ? { tools: all } : {};
}

/**
 * Returns the thinking parameter. Models since Claude 4.6 think adaptively and reject budgets; older ones need a
 * budget. Bedrock appends `-v1:0` to a model id.
 */
function thinkingParam(
  model: string,
  known: Anthropic.ModelInfo | undefined,
  maxTokens: number,
): Anthropic.ThinkingConfigParam | undefined {
  const adaptive =
    known?.capabilities?.thinking?.types.adaptive.supported ??
    !/claude-(3|[a-z]+-4(-[0-5])?([-@]\d{8})?(-v\d[\d:]*)?$)/.test(model);
  if (adaptive) return { type: 'adaptive', display: 'summarized' };
  // A budget has to leave room for the answer.
  if (maxTokens <= minThinkingBudget) return undefined;
  return { type: 'enabled', budget_tokens: Math.max(minThinkingBudget, Math.floor(maxTokens / 2)) };
}

function toMessageParam(message: ModelMessage): Anthropic.MessageParam {
  return { role: message.role, content: message.content.map(toBlockParam) };
}

function toBlockParam(content: ModelContent): Anthropic.ContentBlockParam {
  switch (content.type) {
    case 'text':
      // The API rejects a lone surrogate, such as at the end of a selection, as invalid JSON.
      return { type: 'text', text: content.text.toWellFormed() };
    case 'image':
      return toImage(content);
    case 'thinking':
      return { type: 'thinking', thinking: content.text, signature: content.signature };
    case 'opaque':
      // The block came from this API and was stored unchanged; the API checks it again.
      return content.value as Anthropic.ContentBlockParam;
    case 'tool_call':
      return { type: 'tool_use', id: content.callId, name: content.name, input: content.input };
    case 'tool_result':
      return {
        type: 'tool_result',
        tool_use_id: content.callId,
        content:
          content.images.length === 0
            ? content.text.toWellFormed()
            : [{ type: 'text', text: content.text.toWellFormed() }, ...content.images.map(toImage)],
        is_error: !content.ok,
      };
  }
}

function toImage({
  mediaType,
  data,
}: Omit<Extract<ModelContent, { type: 'image' }>, 'type'>): Anthropic.ImageBlockParam {
  const source = { type: 'base64', media_type: mediaType, data: Buffer.from(data).toString('base64') } as const;
  return { type: 'image', source };
}

/**
 * Sets cache breakpoints at the ends of the last two user messages, in addition to the one at the end of the system
 * text. The newer breakpoint writes the cache for the next call; the older one reads what the previous call wrote.
 */
function withCacheBreakpoints(messages: Anthropic.MessageParam[]): Anthropic.MessageParam[] {
  const users = messages.flatMap((message, index) => (message.role === 'user' ? [index] : [])).slice(-2);
  for (const index of users) {
    const content = messages[index]?.content;
    const last = Array.isArray(content) ? content.at(-1) : undefined;
    if (last && (last.type === 'text' || last.type === 'image' || last.type === 'tool_result')) {
      last.cache_control = { type: 'ephemeral' };
    }
  }
  return messages;
}
