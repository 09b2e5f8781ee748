import { ExecutionEvent, type ExecutionRequest } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { openStream, parse } from './events.ts';

/** Longest event, in UTF-16 code units: the record, all its output escaped, and its artifacts in base64. */
const eventChars = 6 * limits.executionOutputBytes + 2 * limits.executionArtifactBytes;
/** So many attempts in a row may bring nothing before the run is given up. */
const maxAttempts = 8;

export interface FollowExecutionOptions {
  /** The server as it is now; waits while there is none. */
  readonly endpoint: (signal: AbortSignal) => Promise<Endpoint>;
  readonly id: string;
  /** The program to run; without it the run with this id is followed. */
  readonly request?: ExecutionRequest | undefined;
  /**
   * Receives events in order. `restart`: they begin with the first of the run, whatever came before.
   * What it returns is awaited before more is read.
   */
  readonly hear: (events: ExecutionEvent[], restart: boolean) => Promise<unknown> | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly log: Log;
  readonly silenceMs?: number | undefined;
  /** Between attempts. Default 250 ms to 5 s. */
  readonly backoff?: Backoff;
}

/**
 * Runs a program, or follows a run, to its `ended` event, through cuts, silence and restarts of the
 * server: a run that was heard of is followed again from its start, one that was not is asked for
 * again under the same id, which runs nothing twice. Ending early (the signal) leaves the run to itself.
 *
 * @throws ProblemError when the server refuses or cannot be reached, the signal's reason when aborted
 */
export async function followExecution(options: FollowExecutionOptions): Promise<void> {
  const { id, request, signal, problems, log } = options;
  const backoff = options.backoff ?? new Backoff({ firstMs: 250, maxMs: 5_000 });
  let known = request === undefined;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      const endpoint = await options.endpoint(signal);
      const path = known
        ? routes['executions.get'].path.replace(':executionId', encodeURIComponent(id))
        : routes['executions.run'].path;
      let restart = true;
      const stream = openStream(endpoint, path, {
        signal,
        problems,
        eventChars,
        silenceMs: options.silenceMs,
        ...(known ? {} : { body: request }),
      });
      for await (const messages of stream) {
        const { events, fault } = read(messages, problems);
        if (events.length > 0) {
          known = true;
          failures = 0;
          await options.hear(events, restart);
          restart = false;
          if (events.at(-1)?.type === 'ended') return;
        }
        if (fault) throw fault;
      }
      throw problems.streamSilent();
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      if (isFinal(error) || failures >= maxAttempts) {
        // It was running, and the server that answers now has never heard of it.
        const lost = request !== undefined && known && error instanceof ProblemError && error.problem.status === 404;
        throw lost ? problems.executionLost(error) : error;
      }
      log.debug(`run ${id}: ${String(error)}`);
    }
    await backoff.wait(signal);
  }
}

function read(messages: readonly EventSourceMessage[], problems: Problems) {
  const events: ExecutionEvent[] = [];
  for (const { data } of messages) {
    const checked = ExecutionEvent.safeParse(parse(data));
    if (!checked.success) return { events, fault: problems.badResponse(checked.error) };
    events.push(checked.data);
    if (checked.data.type === 'ended') break;
  }
  return { events, fault: undefined };
}

/** What is wrong is the way to the server, or the server is being replaced: another attempt may arrive. */
const passing: ReadonlySet<string> = new Set([
  'server_unreachable',
  'server_timeout',
  'stream_silent',
  'unauthorized',
  'closing',
]);

function isFinal(error: unknown): boolean {
  return !(error instanceof ProblemError) || !passing.has(error.problem.code);
}
