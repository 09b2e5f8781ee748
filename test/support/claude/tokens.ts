import type { BlockParam, CountTokensRequest, MessageParam, ToolParam } from './request.ts';
import { blocksOf } from './request.ts';

/*
 * A token of the stand-in is four UTF-16 code units, rounded up for each piece. Tests can compute this estimate by
 * hand; it is not the real tokenizer.
 */

/** Returns the number of tokens in a text. */
export function textTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** Number of tokens of a message in addition to its content. */
export const messageOverheadTokens = 4;

/** Number of tokens of an image or a document of any size. */
const mediaTokens = 1500;

/** Returns the number of tokens in a block. */
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

/** Returns the number of tokens in a tool definition. */
export function toolTokens(tool: ToolParam): number {
  const { cache_control: _, ...rest } = tool;
  return textTokens(JSON.stringify(rest));
}

/** Returns the number of tokens in the whole prompt: tools, system and messages. */
export function promptTokens(request: Pick<CountTokensRequest, 'messages' | 'system' | 'tools'>): number {
  const tools = (request.tools ?? []).reduce((sum, tool) => sum + toolTokens(tool), 0);
  const system = blocksOf(request.system ?? []).reduce((sum, block) => sum + blockTokens(block), 0);
  return request.messages.reduce((sum, message) => sum + messageTokens(message), tools + system);
}
