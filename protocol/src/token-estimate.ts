/*
 * Estimates of tokens that the provider has not counted. The provider's tokenizer is not public, so an estimate is based
 * on the number of characters alone.
 */

/**
 * Characters per token. Typical of code and English. Other text has fewer characters per token; wherever the provider
 * counts the tokens later, that count replaces the estimate.
 */
const charsPerToken = 3.5;

/** Returns the estimated number of tokens of a text. @param chars characters of the text, or bytes of its JSON */
export function estimateTokens(chars: number): number {
  return Math.ceil(chars / charsPerToken);
}

/** Returns the estimated length in characters of a text with the given number of tokens. */
export function estimateChars(tokens: number): number {
  return Math.floor(tokens * charsPerToken);
}
