import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { EventBody, Usage } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import type { Model, ModelRequest } from '../llm/model.ts';
import { isPassing, modelProblem } from '../llm/problems.ts';
import { requestChars } from '../llm/prompt-size.ts';
import { CallMeter, type MeterDeps } from './call-meter.ts';
import { Stopped, serverRestarted } from './interruptions.ts';
import type { TurnLog } from './turn-log.ts';

/** Dependencies of a step. */
export interface StepDeps extends MeterDeps {
  readonly model: Model;
  /** Log of the turn. */
  readonly log: TurnLog;
  /**
   * Reserves the cost of a call; called before each one. Rejects with a `ProblemError` if the call must not be made.
   */
  readonly admit: (promptTokens: number, signal: AbortSignal) => Promise<Reservation>;
  /**
   * Starts to watch the provider's cache for a prompt. The returned function determines from the usage whether the
   * cache broke. Null if the cache is not watched.
   */
  readonly watchCache: ((path: readonly string[], request: ModelRequest) => (usage: Usage) => CacheBreak | null) | null;
  /** Keeps the request of a step for developers. Called when the call has ended, however it ended. */
  readonly keepRequest: (stepId: string, request: ModelRequest) => void;
  /** Wait before the first retry of a failed call, in milliseconds. Doubles with each retry. */
  readonly retryBaseMs: number;
}

/** Purpose and size of a call. Default purpose: an answer. */
interface StepOptions {
  readonly purpose?: 'compaction';
  readonly context?: ContextParts;
}

/** Maximum number of calls of one step, including the first. */
const maxAttempts = 4;
/** Maximum delay before a retry without `retry-after`, in milliseconds. */
const maxDelayMs = 30_000;
/** Maximum `retry-after` that is waited for, in milliseconds. Beyond it the user decides. */
const maxRetryAfterMs = 60_000;

/**
 * Runs one model call. A call that fails before it answers is repeated in the same step. One that fails later leaves an
 * abandoned step, and a new step starts, so that half an answer and its repetition are never mistaken for one text.
 *
 * @param path names of the parts of the prompt, such as the ids of its turns; without it the cache is not watched
 */
export async function runStep(
  deps: StepDeps,
  request: ModelRequest,
  options: StepOptions,
  signal: AbortSignal,
  path?: readonly string[],
): Promise<{ stepId: string; stopReason: string }> {
  const writer = deps.log;
  const { turnId } = writer;
  const findCacheBreak = path && deps.watchCache ? deps.watchCache(path, request) : () => null;
  const promptTokens = options.context ? contextTokens(options.context) : estimateTokens(requestChars(request));
  let reservation = await deps.admit(promptTokens, signal);
  let stepId = randomUUID();
  writer.write({ type: 'step.started', turnId, stepId, model: deps.modelId, ...options });
  try {
    for (let attempt = 1; ; attempt++) {
      const meter = new CallMeter(deps, options.purpose);
      try {
        const stopReason = await streamStep(deps, meter, request, { turnId, stepId }, findCacheBreak, signal);
        await writer.flush();
        return { stepId, stopReason };
      } catch (error) {
        if (signal.aborted) {
          if (meter.calls) writer.write(cutShort(signal, { turnId, stepId }, meter));
          throw error;
        }
        if (!(error instanceof ProblemError) || meter.storeFailed) throw error;
        const delayMs = delayBefore(attempt, error, deps.retryBaseMs);
        if (meter.calls) {
          writer.write({ type: 'step.abandoned', turnId, stepId, problem: error.problem, ...meter.total() });
        }
        if (delayMs === null) throw error;
        if (meter.calls) {
          await writer.flush();
          await reservation.release();
          reservation = await deps.admit(promptTokens, signal);
          stepId = randomUUID();
          writer.write({ type: 'step.started', turnId, stepId, model: deps.modelId, ...options });
        }
        const retrying = { problem: error.problem, attempt: attempt + 1, maxAttempts, delayMs };
        writer.write({ type: 'step.retrying', turnId, stepId, ...retrying });
        await writer.flush();
        await sleep(delayMs, undefined, { signal });
      }
    }
  } finally {
    // Release the reservation only when the cost is in the ledger.
    await writer.flush().catch(() => undefined);
    await reservation.release();
  }
}

/**
 * Returns the event that ends an interrupted step. A step that the user stopped is kept; one that a closing server
 * interrupted is abandoned.
 */
function cutShort(signal: AbortSignal, ids: { turnId: string; stepId: string }, meter: CallMeter): EventBody {
  const total = meter.total();
  return signal.reason instanceof Stopped
    ? { type: 'step.ended', ...ids, stopReason: 'stopped', ...total, estimated: true }
    : { type: 'step.abandoned', ...ids, problem: serverRestarted, ...total };
}

/** Returns the delay before the next attempt in milliseconds, or null if there is none. */
function delayBefore(attempt: number, error: ProblemError, baseMs: number): number | null {
  if (!isPassing(error.problem) || attempt >= maxAttempts) return null;
  if (error.retryAfterMs !== undefined)
    return error.retryAfterMs > maxRetryAfterMs ? null : Math.ceil(error.retryAfterMs);
  const full = Math.min(maxDelayMs, baseMs * 2 ** (attempt - 1));
  // Half of it is random, so that many clients do not come back at once.
  return Math.round(full / 2 + (Math.random() * full) / 2);
}

/** Streams one answer into the log and returns its stop reason. */
async function streamStep(
  deps: StepDeps,
  meter: CallMeter,
  request: ModelRequest,
  ids: { turnId: string; stepId: string },
  findCacheBreak: (usage: Usage) => CacheBreak | null,
  signal: AbortSignal,
): Promise<string> {
  const write = (event: EventBody): void => meter.guard(() => deps.log.write(event));
  let stopReason: string | undefined;
  try {
    for await (const event of deps.model.stream(request, signal)) {
      switch (event.type) {
        case 'started':
          meter.start(event);
          break;
        case 'block.started':
          meter.firstToken();
          write({ ...event, ...ids });
          break;
        case 'block.delta':
          meter.chars += event.text.length;
          write({ ...event, ...ids });
          break;
        case 'block.ended': {
          const { opaque, citations, ...rest } = event;
          write({
            ...rest,
            ...ids,
            ...(opaque === undefined ? {} : { opaque: JSON.parse(JSON.stringify(opaque)) }),
            ...(citations ? { citations: [...citations] } : {}),
          });
          break;
        }
        case 'ended':
          stopReason = event.stopReason;
          meter.end(event.usage);
          break;
      }
    }
  } finally {
    // After the call, because hiding credentials once more would delay the first token.
    deps.keepRequest(ids.stepId, request);
  }
  if (stopReason === undefined)
    throw modelProblem('stream_cut', 'The connection closed before the answer was complete. Try again.');
  const { requestId } = meter;
  const total = meter.total();
  const cacheBreak = findCacheBreak(total.usage);
  write({
    type: 'step.ended',
    ...ids,
    stopReason,
    ...total,
    ...(requestId ? { requestId } : {}),
    ...(cacheBreak ? { cacheBreak } : {}),
  });
  return stopReason;
}
