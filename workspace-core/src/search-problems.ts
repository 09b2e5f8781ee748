import { ProblemError } from '@devlm/protocol/problem.ts';

/** Returns `invalid_pattern`. @param reason why the pattern cannot be used, without a full stop */
export function invalidPattern(reason: string): ProblemError {
  const detail = `The pattern is not valid: ${reason.slice(0, 1_200)}.`;
  return new ProblemError({ code: 'invalid_pattern', status: 400, title: 'Invalid pattern', detail });
}

/** Returns `search_timeout`. */
export function searchTimedOut(): ProblemError {
  const detail = 'The search took too long. Use a simpler pattern or globs.';
  return new ProblemError({ code: 'search_timeout', status: 504, title: 'Search timed out', detail });
}
