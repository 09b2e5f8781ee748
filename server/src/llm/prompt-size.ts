import type { ModelContent, ModelRequest } from './model.ts';

/*
 * Estimates of tokens where the provider has not counted them (yet). Its tokenizer is not public, so all of them go by
 * the number of characters. Not all of them count with the same number.
 */

/** Characters per token of a request: for the limits of an account, and for budgets. */
const requestCharsPerToken = 4;
/** Characters per token of an answer that was cut short. */
const answerCharsPerToken = 4;
/**
 * Characters per token of what fills a model's window. Typical of code and English; other text is denser, which the
 * provider's count of the next step corrects.
 */
const contextCharsPerToken = 3.5;

/** Characters that an image counts as in `requestChars`, whatever its bytes: about 1,500 tokens. */
const imageChars = 6_000;
/** Tokens of an image of the usual size in a model's window. */
export const contextImageTokens = 1_600;

/**
 * Returns the estimated tokens of a request.
 *
 * @param chars characters of the request, or bytes of its JSON
 * @param share of the request that counts, 0 to 1
 */
export function estimateRequestTokens(chars: number, share = 1): number {
  return Math.ceil((chars / requestCharsPerToken) * share);
}

/** Returns the estimated tokens of an answer of so many characters. */
export function estimateAnswerTokens(chars: number): number {
  return Math.ceil(chars / answerCharsPerToken);
}

/** Returns how many tokens of a model's window so many characters are estimated to fill. */
export function estimateContextTokens(chars: number): number {
  return Math.ceil(chars / contextCharsPerToken);
}

/** Returns about how many characters a request holds. */
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
