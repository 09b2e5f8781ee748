import type { Problem } from '@devlm/protocol/problem.ts';
import type { ModelProblemCode } from '../problems.ts';
import type { Failure } from './types.ts';

/** The failure that a problem code stands for. */
const failureByCode: Partial<Record<string, Failure>> = {
  rate_limited: 'limited',
  overloaded: 'overloaded',
  provider_error: 'failed',
  bad_answer: 'failed',
  offline: 'unreachable',
  stream_stalled: 'stalled',
  stream_cut: 'cut',
  missing_key: 'refused',
  bad_key: 'refused',
  forbidden: 'refused',
  no_credit: 'refused',
  model_not_found: 'refused',
} satisfies Partial<Record<ModelProblemCode, Failure>>;

/** Returns what a problem says about the instance that it came from, or null if it concerns only the call itself. */
export function failureOf({ code }: Problem): Failure | null {
  return failureByCode[code] ?? null;
}

/** Returns what an HTTP status says about the instance, or null if it concerns only the call itself. */
export function failureOfStatus(status: number): Failure | null {
  if (status === 429) return 'limited';
  if (status === 529) return 'overloaded';
  if (status >= 500 || status === 408) return 'failed';
  return [401, 402, 403, 404].includes(status) ? 'refused' : null;
}

/**
 * Returns a `retry-after` header in milliseconds; undefined if it is missing or invalid. Accepts seconds and an HTTP
 * date.
 */
export function retryAfterMs(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}
