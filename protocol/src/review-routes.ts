import * as z from 'zod';
import { BlobHash, Id } from './ids.ts';
import { HunkPlace, ReviewedFile } from './review.ts';
import { FileChange } from './tools.ts';

const turn = z.object({ conversationId: Id, turnId: Id });
/**
 * The result of a decision. `reviewId` is null if there was nothing to decide. `paths` are the files that were written.
 */
const Reviewed = z.object({ reviewId: Id.nullable(), paths: z.array(z.string()) });

/** Routes for the user's review of files that DevLM changed. */
export const reviewRoutes = {
  /**
   * Previews a restore to the state before the turn: the changes from what DevLM left in the files to their earlier
   * content.
   */
  'files.preview': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns/:turnId/restore',
    params: turn,
    response: z.object({ changes: z.array(FileChange) }),
    page: true,
  },
  /**
   * Restores the state before the turn: of the files that this turn and all later ones changed, of the conversation, or
   * of both. Either all files are restored or none: 409 `files_changed`, with `diff`, if a file is no longer as DevLM
   * left it.
   */
  'files.restore': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/restore',
    params: turn,
    body: z.object({ what: z.enum(['files', 'conversation', 'both']) }),
    response: Reviewed,
    page: true,
  },
  /** Returns the places of the differences in a file of a turn that the user has not decided about yet. */
  'changes.hunks': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/hunks',
    params: turn,
    body: z.object({ path: z.string().min(1).max(4096) }),
    response: z.object({ base: BlobHash.nullable(), now: BlobHash.nullable(), hunks: z.array(HunkPlace) }),
  },
  /**
   * Accepts changes of a turn, which only marks them, or rejects them, which restores the files, all or none. 409
   * `review_stale` if the review has changed meanwhile, `files_changed`, with `diff`, if a file has.
   */
  'changes.review': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/review',
    params: turn,
    body: z.object({ verdict: z.enum(['accept', 'reject']), files: z.array(ReviewedFile).min(1).max(200) }),
    response: Reviewed,
    page: true,
  },
  /** Undoes a decision, including its changes to files. It fails like `changes.review`. */
  'changes.undo': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/reviews/:reviewId/undo',
    params: turn.extend({ reviewId: Id }),
    response: Reviewed,
    page: true,
  },
} as const;
