import * as z from 'zod';
import { BlobHash, Id } from './ids.ts';
import { HunkPlace, ReviewedFile } from './review.ts';
import { FileChange } from './tools.ts';

const turn = z.object({ conversationId: Id, turnId: Id });
/** What a decision came to. Without an id there was nothing to decide; `paths` are the files that were written. */
const Reviewed = z.object({ reviewId: Id.nullable(), paths: z.array(z.string()) });

/** A part of the table of routes: what a person decides about files that DevLM changed. */
export const reviewRoutes = {
  /** What a restore to before the turn would make of files: from what DevLM left in them to what they were. */
  'files.preview': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns/:turnId/restore',
    params: turn,
    response: z.object({ changes: z.array(FileChange) }),
    page: true,
  },
  /**
   * Goes back to before the turn: the files that this turn and all after it changed (all or none; 409
   * `files_changed`, with `diff`, where one is no longer what DevLM wrote), the conversation, or both.
   */
  'files.restore': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/restore',
    params: turn,
    body: z.object({ what: z.enum(['files', 'conversation', 'both']) }),
    response: Reviewed,
    page: true,
  },
  /** Where the differences of a file of a turn are that are not decided about yet. */
  'changes.hunks': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/hunks',
    params: turn,
    body: z.object({ path: z.string().min(1).max(4096) }),
    response: z.object({ base: BlobHash.nullable(), now: BlobHash.nullable(), hunks: z.array(HunkPlace) }),
  },
  /**
   * Accepts changes of a turn, which only marks them, or rejects them: the files become what they were, all or
   * none. 409 `review_stale` where the review has moved on, `files_changed`, with `diff`, where a file has.
   */
  'changes.review': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/review',
    params: turn,
    body: z.object({ verdict: z.enum(['accept', 'reject']), files: z.array(ReviewedFile).min(1).max(200) }),
    response: Reviewed,
    page: true,
  },
  /** Takes a decision back, its changes of files included; the same refusals. */
  'changes.undo': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/reviews/:reviewId/undo',
    params: turn.extend({ reviewId: Id }),
    response: Reviewed,
    page: true,
  },
} as const;
