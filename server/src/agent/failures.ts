import { setTimeout as sleep } from 'node:timers/promises';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import { leaseLostCode } from '../storage/problems.ts';

/** Tries to store something about a turn, with doubling waits from 100 ms. */
const attempts = 6;

/**
 * Tries several times, unless the store says that it cannot be.
 * @param closing then it is tried once
 */
export async function storeSurely(work: () => Promise<unknown>, closing: () => boolean): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      const final = error instanceof ProblemError && [404, 409].includes(error.problem.status);
      if (final || attempt === attempts || closing()) throw error;
      await sleep(100 * 2 ** (attempt - 1));
    }
  }
}

/** Another node runs the conversation's turns by now. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === leaseLostCode;
}

/** What a turn ends with that failed. */
export function turnProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  return {
    code: 'internal',
    status: 500,
    title: 'Something went wrong in DevLM',
    detail: 'The answer ended because of an error in the companion server. The log has the details.',
    action: 'show-log',
  };
}
