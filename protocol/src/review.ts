import * as z from 'zod';
import { BlobHash, Id } from './ids.ts';
import { FileChange } from './tools.ts';

/*
 * The review of files that DevLM changed. Its state for a file of a turn consists of two versions: `base`, the last
 * accepted version, and `now`, the version that DevLM left. The differences between them are pending. Accepting
 * advances `base`; rejecting and restoring set `now` (and the file) back.
 */

/** The user's decision about changed files. */
export const ReviewVerdict = z.enum(['accept', 'reject', 'restore', 'undo']);
export type ReviewVerdict = z.infer<typeof ReviewVerdict>;

/** The review state of one file that a turn changed. */
export const FileMark = z.object({
  path: z.string().max(4096),
  base: BlobHash.nullable(),
  now: BlobHash.nullable(),
  /** The last decision, or null before the first. */
  verdict: ReviewVerdict.nullable(),
});
export type FileMark = z.infer<typeof FileMark>;

/** The review states of files of one turn. */
export const TurnMarks = z.object({ turnId: Id, files: z.array(FileMark).min(1).max(500) });
export type TurnMarks = z.infer<typeof TurnMarks>;

/** A decision, with its effects on files and on the states of their review. */
export const Review = z.object({
  id: Id,
  verdict: ReviewVerdict,
  /** Changes to the files. Empty if only review states change. */
  changes: z.array(FileChange).max(200),
  /** The review states after the decision. */
  marks: z.array(TurnMarks),
  /** The review states before the decision, for an undo. */
  previous: z.array(TurnMarks),
  /** The newest turn before and after, if the decision also moves the conversation back. */
  head: z.object({ from: Id.nullable(), to: Id.nullable() }).optional(),
  /** The decision that this one undoes. */
  undoes: Id.optional(),
});
export type Review = z.infer<typeof Review>;

/** The first turn that a restore removed, until a new message is sent, and the decision that removed it. */
export const Aside = z.object({ turnId: Id, reviewId: Id });
export type Aside = z.infer<typeof Aside>;

/** The user's decision about one file, with the state of its review that the user saw. */
export const ReviewedFile = z.object({
  path: z.string().min(1).max(4096),
  base: BlobHash.nullable(),
  now: BlobHash.nullable(),
  /** Indexes of the differences from `base` to `now`. Default: all. */
  hunks: z.array(z.int().min(0)).min(1).max(10_000).optional(),
});
export type ReviewedFile = z.infer<typeof ReviewedFile>;

/** The place of a difference in a file: the first line (0-based) and the number of lines, on both sides. */
export const HunkPlace = z.object({
  base: z.object({ line: z.int().min(0), lines: z.int().min(0) }),
  now: z.object({ line: z.int().min(0), lines: z.int().min(0) }),
});
export type HunkPlace = z.infer<typeof HunkPlace>;
