import type { ModelContent, ModelRequest } from './model.ts';

/*
 * Estimates of tokens that the provider has not counted. The provider's tokenizer is not public, so all estimates are
 * based on the number of characters, with different factors.
 */

/** Characters per token of a request, for rate limits and budgets. */
const requestCharsPerToken = 4;
/** Characters per token of an answer that was cut short. */
const answerCharsPerToken = 4;
/**
 * Characters per token in a model's context window. Typical of code and English. Other text has fewer characters per
 * token, which the provider's count of the next step corrects.
 */
const contextCharsPerToken = 3.5;

/** Number of characters that an image counts as in `requestChars`, whatever its size: about 1,500 tokens. */
const imageChars = 6_000;
/** Number of tokens that an image of typical size fills in a model's context window. */
export const contextImageTokens = 1_600;

/**
 * Returns the estimated tokens of a request.
 *
 * @param chars characters of the request, or bytes of its JSON
 * @param share share of the request that counts, 0 to 1
 */
export function estimateRequestTokens(chars: number, share = 1): number {
  return Math.ceil((chars / requestCharsPerToken) * share);
}

/** Returns the estimated tokens of an answer with the given number of characters. */
export function estimateAnswerTokens(chars: number): number {
  return Math.ceil(chars / answerCharsPerToken);
}

/** Returns the estimated number of tokens that the given number of characters fills in a model's context window. */
export function estimateContextTokens(chars: number): number {
  return Math.ceil(chars / contextCharsPerToken);
}

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
