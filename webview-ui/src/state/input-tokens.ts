import type { Usage } from '@devlm/protocol/events.ts';

type InputCounts = Pick<Usage, 'inputTokens' | 'cacheReadTokens' | 'cacheWriteTokens'>;

/** Returns the number of tokens in the prompts, including those that were read from the cache or written to it. */
export function inputTokensOf({ inputTokens, cacheReadTokens, cacheWriteTokens }: InputCounts): number {
  return inputTokens + cacheReadTokens + cacheWriteTokens;
}
