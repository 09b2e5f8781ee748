import { setTimeout as sleep } from 'node:timers/promises';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import { leaseLostCode } from '../storage/problems.ts';

/** Number of attempts to store something about a turn, with waits that double from 100 ms. */
const maxAttempts = 6;

/**
 * Runs a write and retries it if it fails, unless the store rejects it permanently (status 404 or 409).
 *
 * @param closing returns whether the server is shutting down; the write is then not retried
 */
export async function storeSurely(work: () => Promise<unknown>, closing: () => boolean): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      const final = error instanceof ProblemError && [404, 409].includes(error.problem.status);
      if (final || attempt === maxAttempts || closing()) throw error;
      await sleep(100 * 2 ** (attempt - 1));
    }
  }
}

/** Returns whether an error means that another node now runs the conversation's turns. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === leaseLostCode;
}

/** Returns the problem that a failed turn ends with. */
export function turnProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  return {
    code: 'internal',
    status: 500,
    title: 'Something went wrong in DevLM',
    detail: 'The answer stopped because of an error in the companion server. See the log for details.',
    action: 'show-log',
  };
}
