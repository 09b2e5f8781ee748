import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';

type Draft = Omit<Problem, 'detail'>;

/** All problems that a model call can fail with, and what the user can do about them. */
const problems = {
  missing_key: { code: 'missing_key', status: 401, title: 'No API key', action: 'set-key' },
  bad_key: { code: 'bad_key', status: 401, title: 'The API key was refused', action: 'set-key' },
  forbidden: { code: 'forbidden', status: 403, title: 'Not allowed with this API key', action: 'set-key' },
  no_credit: { code: 'no_credit', status: 402, title: 'No credit left', action: 'retry' },
  model_not_found: { code: 'model_not_found', status: 404, title: 'Unknown model', action: 'pick-model' },
  too_large: { code: 'too_large', status: 413, title: 'The request is too large', action: 'new-conversation' },
  too_long: { code: 'too_long', status: 400, title: 'The conversation is too long', action: 'new-conversation' },
  rate_limited: { code: 'rate_limited', status: 429, title: 'Rate limit reached', action: 'retry' },
  overloaded: { code: 'overloaded', status: 529, title: 'The model is overloaded', action: 'retry' },
  provider_error: { code: 'provider_error', status: 502, title: 'The provider failed', action: 'retry' },
  bad_request: { code: 'bad_request', status: 400, title: 'The provider refused the request', action: 'retry' },
  bad_answer: { code: 'bad_answer', status: 502, title: 'Unexpected response', action: 'open-settings' },
  offline: { code: 'offline', status: 503, title: 'The provider cannot be reached', action: 'retry' },
  stream_cut: { code: 'stream_cut', status: 502, title: 'The answer was cut off', action: 'retry' },
  stream_stalled: { code: 'stream_stalled', status: 504, title: 'The answer stopped coming', action: 'retry' },
  policy: { code: 'policy', status: 400, title: 'Claude declined to answer', action: 'new-conversation' },
} as const satisfies Record<string, Draft>;

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
  return new ProblemError({ ...problems[code], detail }, options);
}

/** Returns the host of a URL, for use in messages. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
