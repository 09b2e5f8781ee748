import { type ErrorCode, errorCodes } from '@devlm/protocol/error-codes.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';

/** All problems that a model call can fail with, and what the user can do about them. */
const problems = {
  missing_key: { title: 'No API key', action: 'set-key' },
  bad_key: { title: 'The API key was refused', action: 'set-key' },
  forbidden: { title: 'Not allowed with this API key', action: 'set-key' },
  no_credit: { title: 'No credit left', action: 'retry' },
  model_not_found: { title: 'Unknown model', action: 'pick-model' },
  too_large: { title: 'The request is too large', action: 'new-conversation' },
  too_long: { title: 'The conversation is too long', action: 'new-conversation' },
  rate_limited: { title: 'Rate limit reached', action: 'retry' },
  overloaded: { title: 'The model is overloaded', action: 'retry' },
  provider_error: { title: 'The provider failed', action: 'retry' },
  bad_request: { title: 'The provider refused the request', action: 'retry' },
  bad_answer: { title: 'Unexpected response', action: 'open-settings' },
  offline: { title: 'The provider cannot be reached', action: 'retry' },
  stream_cut: { title: 'The answer was cut off', action: 'retry' },
  stream_stalled: { title: 'The answer stopped coming', action: 'retry' },
  policy: { title: 'Claude declined to answer', action: 'new-conversation' },
} as const satisfies Partial<Record<ErrorCode, Required<Pick<Problem, 'title' | 'action'>>>>;

/** Code of a problem that a model call can fail with. */
export type ModelProblemCode = keyof typeof problems;

const transientCodes: ReadonlySet<string> = new Set<ModelProblemCode>([
  'rate_limited',
  'overloaded',
  'provider_error',
  'offline',
  'stream_cut',
  'stream_stalled',
]);

/** Returns whether the same call may succeed when it is repeated. */
export function isPassing(problem: Problem): boolean {
  return transientCodes.has(problem.code);
}

/** Returns the problem of a failed model call, to be thrown. */
export function modelProblem(
  code: ModelProblemCode,
  detail: string,
  options: { cause?: unknown; retryAfterMs?: number } = {},
): ProblemError {
  return new ProblemError({ code, status: errorCodes[code].status, ...problems[code], detail }, options);
}

/** Returns the host of a URL, for use in messages. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
