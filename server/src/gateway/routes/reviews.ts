import type { Reviews } from '../../backend/reviews.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about the user's decisions on files that DevLM changed. */
export function reviewHandlers(reviews: Reviews): HandlersOf<'files' | 'changes'> {
  return {
    'files.preview': (input, { signal }) => reviews.preview(input, signal),
    'files.restore': (input, { signal }) => reviews.restore(input, signal),
    'changes.hunks': (input) => reviews.hunks(input),
    'changes.review': (input, { signal }) => reviews.review(input, signal),
    'changes.undo': (input, { signal }) => reviews.undo(input, signal),
  };
}
