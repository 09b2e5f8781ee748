import * as z from 'zod';
import { Id } from './ids.ts';

/*
 * The content of a model's context window, and the compaction of the part that no longer fits.
 */

const tokens = z.int().min(0);

/** Estimated tokens of a prompt by source. */
export const ContextParts = z.object({
  /** The system prompt about the model's role and the workspace. */
  system: tokens,
  /** The rules of the project. */
  rules: tokens,
  /** Descriptions of the available tools. */
  tools: tokens,
  /** The user's attachments and the map of the project. */
  files: tokens,
  /** Tool calls and their results. */
  results: tokens,
  /** Messages, answers, and the summary of the earlier conversation. */
  conversation: tokens,
});
export type ContextParts = z.infer<typeof ContextParts>;

/**
 * A change in how the prompt represents the conversation up to a boundary. The log keeps the whole conversation. A
 * boundary is the end of a turn, or of a step in it.
 */
export const Compaction = z.object({
  upTo: z.object({ turnId: Id, stepId: Id.nullable() }),
  /**
   * Null: the text of the step that made the compaction replaces everything up to the boundary. A number: results and
   * attached texts up to the boundary are cut to this many characters, and images are left out.
   */
  textChars: z.int().min(0).nullable(),
  /** Number of compacted turns of the branch. The last one may be compacted only in part. */
  turns: z.int().min(0),
  /** Estimated tokens of the prompt before the compaction. */
  tokensBefore: tokens,
  /** Content of the prompt right after the compaction. */
  context: ContextParts,
});
export type Compaction = z.infer<typeof Compaction>;

/** Returns the sum of all parts, in tokens. */
export function contextTokens(parts: ContextParts): number {
  return Object.values(parts).reduce((sum, count) => sum + count, 0);
}
