import { estimateChars } from '@devlm/protocol/token-estimate.ts';
import type { ModelContent, ModelRequest } from './model.ts';

/** Estimated number of tokens of an image, whatever its size: those of an image of typical size. */
export const imageTokens = 1_600;
/** Number of characters that an image counts as in `requestChars`. */
const imageChars = estimateChars(imageTokens);

/** Returns the approximate number of characters of a request. */
export function requestChars({ system, tools, messages }: ModelRequest): number {
  const content = messages.flatMap((message) => message.content);
  return content.reduce((sum, part) => sum + contentChars(part), system.length + JSON.stringify(tools).length);
}

function contentChars(content: ModelContent): number {
  switch (content.type) {
    case 'text':
    case 'thinking':
      return content.text.length;
    case 'image':
      return imageChars;
    case 'tool_result':
      return content.text.length + content.images.length * imageChars;
    case 'tool_call':
      return JSON.stringify(content.input ?? null).length;
    case 'opaque':
      return JSON.stringify(content.value ?? null).length;
  }
}
