import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { EventBody, Usage } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import type { Model, ModelRequest } from '../llm/model.ts';
import { isPassing, modelProblem } from '../llm/problems.ts';
import { estimateRequestTokens, requestChars } from '../llm/prompt-size.ts';
import { CallMeter, type MeterDeps } from './call-meter.ts';
import { Stopped, serverRestarted } from './interruptions.ts';
import type { TurnLog } from './turn-log.ts';

/** What a step needs besides its request. */
export interface StepDeps extends MeterDeps {
  readonly model: Model;
  /** Of this turn. */
  readonly log: TurnLog;
  /** Called before each call. Rejects where it may not be made, with a `ProblemError`. */
  readonly admit: (promptTokens: number, signal: AbortSignal) => Promise<Reservation>;
  /** Whether the provider's cache has held; null: it is not watched. */
  readonly watchCache: ((path: readonly string[], request: ModelRequest) => (usage: Usage) => CacheBreak | null) | null;
  /** First wait before a failed call is made again; doubles each time. */
  readonly retryBaseMs: number;
}

/** What a call is for; default: an answer. */
interface About {
  readonly purpose?: 'compaction';
  readonly context?: ContextParts;
}

/** Calls of one step, the first included. */
const maxAttempts = 4;
const longestDelayMs = 30_000;
/** A `retry-after` beyond this is not waited for: the person decides. */
const longestRetryAfterMs = 60_000;

/**
 * One model call. A call that fails before it answers is made again under the same step; one that
 * fails later leaves an abandoned step and a new one, so that nobody takes half an answer
 * and its repetition for one text.
 *
 * @param path what the prompt continues; without one its cache is not watched
 */
export async function runStep(
  deps: StepDeps,
  request: ModelRequest,
  about: About,
  signal: AbortSignal,
  path?: readonly string[],
): Promise<{ stepId: string; stopReason: string }> {
  const writer = deps.log;
  const { turnId } = writer;
  const brokeCache = path && deps.watchCache ? deps.watchCache(path, request) : () => null;
  const promptTokens = about.context ? contextTokens(about.context) : estimateRequestTokens(requestChars(request));
  let reservation = await deps.admit(promptTokens, signal);
  let stepId = randomUUID();
  writer.write({ type: 'step.started', turnId, stepId, model: deps.modelId, ...about });
  try {
    for (let attempt = 1; ; attempt++) {
      const meter = new CallMeter(deps, about.purpose);
      try {
        const stopReason = await streamStep(deps, meter, request, { turnId, stepId }, brokeCache, signal);
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
          writer.write({ type: 'step.started', turnId, stepId, model: deps.modelId, ...about });
        }
        const retrying = { problem: error.problem, attempt: attempt + 1, maxAttempts, delayMs };
        writer.write({ type: 'step.retrying', turnId, stepId, ...retrying });
        await writer.flush();
        await sleep(delayMs, undefined, { signal });
      }
    }
  } finally {
    // Once what it cost is in the ledger.
    await writer.flush().catch(() => undefined);
    await reservation.release();
  }
}

/** A step that ends with its signal: what the person stopped stays, what a closing server left does not count. */
function cutShort(signal: AbortSignal, ids: { turnId: string; stepId: string }, meter: CallMeter): EventBody {
  const total = meter.total();
  return signal.reason instanceof Stopped
    ? { type: 'step.ended', ...ids, stopReason: 'stopped', ...total, estimated: true }
    : { type: 'step.abandoned', ...ids, problem: serverRestarted, ...total };
}

/** Milliseconds before the next attempt; null when there is none. */
function delayBefore(attempt: number, error: ProblemError, baseMs: number): number | null {
  if (!isPassing(error.problem) || attempt >= maxAttempts) return null;
  if (error.retryAfterMs !== undefined)
    return error.retryAfterMs > longestRetryAfterMs ? null : Math.ceil(error.retryAfterMs);
  const full = Math.min(longestDelayMs, baseMs * 2 ** (attempt - 1));
  // Half of it by chance, so that many clients do not come back together.
  return Math.round(full / 2 + (Math.random() * full) / 2);
}

async function streamStep(
  deps: StepDeps,
  meter: CallMeter,
  request: ModelRequest,
  ids: { turnId: string; stepId: string },
  brokeCache: (usage: Usage) => CacheBreak | null,
  signal: AbortSignal,
): Promise<string> {
  const write = (event: EventBody): void => meter.guard(() => deps.log.write(event));
  let stopReason: string | undefined;
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
  if (stopReason === undefined)
    throw modelProblem('stream_cut', 'The connection ended before the answer was complete.');
  const { requestId } = meter;
  const total = meter.total();
  const cacheBreak = brokeCache(total.usage);
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
