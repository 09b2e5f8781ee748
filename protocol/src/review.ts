import * as z from 'zod';
import { BlobHash, Id } from './ids.ts';
import { FileChange } from './tools.ts';

/*
 * What a person decides about files that DevLM changed. The decision about a file of a turn is kept as two
 * versions: `base`, what was agreed to, and `now`, what DevLM left. What differs between them is pending.
 * Accepting moves `base` on, rejecting and restoring take `now` (and the file) back.
 */

export const Verdict = z.enum(['accept', 'reject', 'restore', 'undo']);
export type Verdict = z.infer<typeof Verdict>;

/** Where the review of one file of a turn stands. */
export const FileMark = z.object({
  path: z.string().max(4096),
  base: BlobHash.nullable(),
  now: BlobHash.nullable(),
  /** The last decision; null: there was none yet. */
  verdict: Verdict.nullable(),
});
export type FileMark = z.infer<typeof FileMark>;

export const TurnMarks = z.object({ turnId: Id, files: z.array(FileMark).min(1).max(500) });
export type TurnMarks = z.infer<typeof TurnMarks>;

/** One decision: what it makes of files, and of the state of their review. */
export const Review = z.object({
  id: Id,
  verdict: Verdict,
  /** From what the files hold to what they are to hold. Empty where nothing but marks change. */
  changes: z.array(FileChange).max(200),
  marks: z.array(TurnMarks),
  /** The marks before, for an undo. */
  previous: z.array(TurnMarks),
  /** The conversation goes back too: its newest turn before and after. */
  head: z.object({ from: Id.nullable(), to: Id.nullable() }).optional(),
  /** The decision that this one takes back. */
  undoes: Id.optional(),
});
export type Review = z.infer<typeof Review>;

/** Turns that a restore took out of the conversation, until a new message is sent: the first of them, by what. */
export const Aside = z.object({ turnId: Id, reviewId: Id });
export type Aside = z.infer<typeof Aside>;

/** What the person decides about one file, and which state of its review they saw. */
export const ReviewedFile = z.object({
  path: z.string().min(1).max(4096),
  base: BlobHash.nullable(),
  now: BlobHash.nullable(),
  /** Of the differences from `base` to `now`, by their order; without it: all. */
  hunks: z.array(z.int().min(0)).min(1).max(10_000).optional(),
});
export type ReviewedFile = z.infer<typeof ReviewedFile>;

/** A difference of a file: 0-based first lines and how many there are, on both sides. */
export const HunkPlace = z.object({
  base: z.object({ line: z.int().min(0), lines: z.int().min(0) }),
  now: z.object({ line: z.int().min(0), lines: z.int().min(0) }),
});
export type HunkPlace = z.infer<typeof HunkPlace>;
