import * as z from 'zod';
import { Id } from './ids.ts';

/*
 * What fills a model's context window, and what became of the part that no longer fits.
 */

const tokens = z.int().min(0);

/** Estimated tokens of a prompt by where they come from. */
export const ContextParts = z.object({
  /** What the model is told about itself and the workspace. */
  system: tokens,
  /** How the project wants to be worked on. */
  rules: tokens,
  /** Descriptions of the tools that it may call. */
  tools: tokens,
  /** What the person attached, and the map of the project. */
  files: tokens,
  /** Tool calls and what they answered. */
  results: tokens,
  /** Messages, answers, and the summary of what came before. */
  conversation: tokens,
});
export type ContextParts = z.infer<typeof ContextParts>;

/**
 * From here on the prompt has another form of what lies up to a boundary; the log keeps the whole. A
 * boundary is the end of a turn, or of a step in it.
 */
export const Compaction = z.object({
  upTo: z.object({ turnId: Id, stepId: Id.nullable() }),
  /**
   * Null: the text of the step that made it takes the place of all up to the boundary. A number: results and
   * attached texts up to the boundary are cut to so many characters, and pictures are left out.
   */
  textChars: z.int().min(0).nullable(),
  /** Turns of the branch that it is about, the last one perhaps in part. */
  turns: z.int().min(0),
  /** Estimated tokens of the prompt before. */
  tokensBefore: tokens,
  /** What the prompt held right after. */
  context: ContextParts,
});
export type Compaction = z.infer<typeof Compaction>;

/** All parts together. */
export function contextTokens(parts: ContextParts): number {
  return Object.values(parts).reduce((sum, count) => sum + count, 0);
}
