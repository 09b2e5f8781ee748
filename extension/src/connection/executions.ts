import { ExecutionEvent, type ExecutionRequest } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { openStream } from './events.ts';

/** Maximum event size in UTF-16 code units: the record, all its output escaped, and its artifacts in base64. */
const eventChars = 6 * limits.executionOutputBytes + 2 * limits.executionArtifactBytes;
/** Number of consecutive attempts without an event after which the run is given up. */
const maxAttempts = 8;

/** Options of `followExecution`. */
export interface FollowExecutionOptions {
  /** Returns the current server, waiting while there is none. */
  readonly endpoint: (signal: AbortSignal) => Promise<Endpoint>;
  readonly id: string;
  /** The program to run. Without it, the existing run with this id is followed. */
  readonly request?: ExecutionRequest | undefined;
  /**
   * Receives events in order. With `restart`, they begin again with the first event of the run. The returned promise
   * is awaited before more is read.
   */
  readonly onEvents: (events: ExecutionEvent[], restart: boolean) => Promise<unknown> | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly log: Log;
  readonly silenceMs?: number | undefined;
  /** Delay between attempts. Default: 250 ms to 5 s. */
  readonly backoff?: Backoff;
}

/**
 * Runs a program, or follows a run, until its `ended` event, through disconnections, silence and server restarts. A
 * run that has sent events is followed again from its start. Otherwise the request is repeated under the same id,
 * which never runs a program twice. Aborting the signal does not stop the run.
 *
 * @throws ProblemError if the server refuses or cannot be reached; the signal's reason if aborted
 */
export async function followExecution(options: FollowExecutionOptions): Promise<void> {
  const { id, request, signal, problems, log } = options;
  const backoff = options.backoff ?? new Backoff({ firstMs: 250, maxMs: 5_000 });
  let isStarted = request === undefined;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      const endpoint = await options.endpoint(signal);
      const path = isStarted
        ? routes['executions.get'].path.replace(':executionId', encodeURIComponent(id))
        : routes['executions.run'].path;
      let restart = true;
      const stream = openStream(endpoint, path, {
        signal,
        problems,
        eventChars,
        silenceMs: options.silenceMs,
        ...(isStarted ? {} : { body: request }),
      });
      for await (const messages of stream) {
        const { events, fault } = parseEvents(messages, problems);
        if (events.length > 0) {
          isStarted = true;
          failures = 0;
          await options.onEvents(events, restart);
          restart = false;
          if (events.at(-1)?.type === 'ended') return;
        }
        if (fault) throw fault;
      }
      throw problems.streamSilent();
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      if (isPermanentFailure(error) || failures >= maxAttempts) {
        // The run had started, but the current server does not know it.
        const isLost =
          request !== undefined && isStarted && error instanceof ProblemError && error.problem.status === 404;
        throw isLost ? problems.executionLost(error) : error;
      }
      log.debug(`run ${id}: ${String(error)}`);
    }
    await backoff.wait(signal);
  }
}

function parseEvents(messages: readonly EventSourceMessage[], problems: Problems) {
  const events: ExecutionEvent[] = [];
  for (const { data } of messages) {
    const checked = ExecutionEvent.safeParse(parseJson(data));
    if (!checked.success) return { events, fault: problems.badResponse(checked.error) };
    events.push(checked.data);
    if (checked.data.type === 'ended') break;
  }
  return { events, fault: undefined };
}

/** Codes of transport failures and of a server that is being replaced: another attempt may succeed. */
const transientCodes: ReadonlySet<string> = new Set([
  'server_unreachable',
  'server_timeout',
  'stream_silent',
  'unauthorized',
  'closing',
]);

function isPermanentFailure(error: unknown): boolean {
  return !(error instanceof ProblemError) || !transientCodes.has(error.problem.code);
}
