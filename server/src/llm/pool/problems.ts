import type { ProblemError } from '@devlm/protocol/problem.ts';
import { modelProblem } from '../problems.ts';
import type { Lane } from './instance.ts';
import type { Failure } from './types.ts';

/** Returns the problem of a call when all places are taken. */
export const busy = (detail: string): ProblemError =>
  modelProblem('overloaded', `${detail} Try again in a moment.`, { retryAfterMs: 5_000 });

/**
 * Returns the problem of a call whose model no instance serves.
 *
 * @param model null if all instances are being drained
 */
export function nobodyServes(model: string | null): ProblemError {
  return model === null
    ? busy('No instance accepts calls because all of them are being drained.')
    : modelProblem('model_not_found', `No instance serves the model ${model.slice(0, 200)}.`);
}

/**
 * Returns the problem of a call for which all lanes are resting. The reason and the time to retry are those of the lane
 * with the shortest rest.
 */
export function allRest(lanes: readonly Lane[], restOf: (lane: Lane) => number): ProblemError {
  const soonest = lanes.reduce((best, lane) => (restOf(lane) < restOf(best) ? lane : best));
  const retryAfterMs = Math.max(1_000, restOf(soonest));
  const seconds = Math.ceil(retryAfterMs / 1000);
  const failure = soonest.breaker.last ?? 'limited';
  return modelProblem(problemCodes[failure], `All instances ${reasons[failure]}. Try again in ${seconds} seconds.`, {
    retryAfterMs,
  });
}

const problemCodes = {
  limited: 'rate_limited',
  overloaded: 'overloaded',
  failed: 'overloaded',
  unreachable: 'offline',
  stalled: 'offline',
  cut: 'offline',
  refused: 'overloaded',
} as const satisfies Record<Failure, string>;

const reasons: Readonly<Record<Failure, string>> = {
  limited: 'have reached their rate limits',
  overloaded: 'are overloaded',
  failed: 'return errors',
  unreachable: 'are unreachable',
  stalled: 'do not respond',
  cut: 'interrupt their answers',
  refused: 'reject the call',
};
