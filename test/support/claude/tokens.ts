import type { BlockParam, CountTokensRequest, MessageParam, ToolParam } from './request.ts';
import { blocksOf } from './request.ts';

/*
 * A token here is four UTF-16 code units, rounded up for each piece. It is an estimate that anybody can do in
 * their head, so that a test can say what it expects; it is not the real tokenizer.
 */

/** Tokens of a piece of text. */
export function textTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** What a message costs beside its content. */
export const messageOverheadTokens = 4;

/** An image or a document, whatever its size. */
const mediaTokens = 1500;

export function blockTokens(block: BlockParam): number {
  switch (block.type) {
    case 'text':
      return textTokens(block.text);
    case 'thinking':
      return textTokens(block.thinking);
    case 'image':
    case 'document':
      return mediaTokens;
    case 'tool_result':
      return block.content === undefined
        ? 0
        : blocksOf(block.content).reduce((sum, inner) => sum + blockTokens(inner), 0);
    case 'tool_use':
    case 'server_tool_use':
      return textTokens(block.name) + textTokens(JSON.stringify(block.input));
    default:
      return textTokens(JSON.stringify(block));
  }
}

function messageTokens(message: MessageParam): number {
  return blocksOf(message.content).reduce((sum, block) => sum + blockTokens(block), messageOverheadTokens);
}

export function toolTokens(tool: ToolParam): number {
  const { cache_control: _, ...rest } = tool;
  return textTokens(JSON.stringify(rest));
}

/** Tokens of the whole prompt: tools, system and messages. */
export function promptTokens(request: Pick<CountTokensRequest, 'messages' | 'system' | 'tools'>): number {
  const tools = (request.tools ?? []).reduce((sum, tool) => sum + toolTokens(tool), 0);
  const system = blocksOf(request.system ?? []).reduce((sum, block) => sum + blockTokens(block), 0);
  return request.messages.reduce((sum, message) => sum + messageTokens(message), tools + system);
}
