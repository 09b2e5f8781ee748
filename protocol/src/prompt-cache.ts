import * as z from 'zod';

/**
 * A prompt of which the provider should have had the beginning, and had not: it was paid for in full, at up to
 * twelve times the price.
 */
export const CacheBreak = z.object({
  /**
   * What was other than in the step before: the tools, the system prompt, something in the conversation (`earlier`),
   * thinking that is not sent twice (`thinking`), the model; `time`: nothing, but the cache's five minutes were over;
   * `provider`: nothing that is known here.
   */
  cause: z.enum(['model', 'tools', 'system', 'thinking', 'earlier', 'time', 'provider']),
  /** Names of the tools that came, went or changed. */
  tools: z.array(z.string().max(200)).max(20).optional(),
  /** Tokens that had to be read again. */
  tokens: z.int().min(0),
});
export type CacheBreak = z.infer<typeof CacheBreak>;
