import * as z from 'zod';

/**
 * A cache miss where the provider should have had the beginning of the prompt cached. The prompt was charged in full,
 * at up to twelve times the price.
 */
export const CacheBreak = z.object({
  /**
   * What differs from the previous step: the tools, the system prompt, an earlier part of the conversation (`earlier`),
   * thinking that is sent only once (`thinking`), or the model. `time`: nothing differs, but the cache expired after
   * five minutes. `provider`: no difference is known.
   */
  cause: z.enum(['model', 'tools', 'system', 'thinking', 'earlier', 'time', 'provider']),
  /** Names of the tools that were added, removed or changed. */
  tools: z.array(z.string().max(200)).max(20).optional(),
  /** Number of tokens that had to be processed again. */
  tokens: z.int().min(0),
});
export type CacheBreak = z.infer<typeof CacheBreak>;
