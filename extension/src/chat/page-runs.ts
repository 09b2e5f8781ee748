import type { ExecutionEvent, ExecutionRequest } from '@devlm/protocol/execution.ts';
import type { HostToPage } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ServerConnection } from '../connection/connection.ts';
import type { Log, Translate } from '../ports.ts';
import { asProblem, type Problems } from '../problems.ts';
import type { Consent } from '../runs/consent.ts';
import { coalesced } from './coalesce.ts';

/** Time for which output is buffered before it is sent to the page, in milliseconds. */
const bufferMs = 50;
/** Maximum buffered output in UTF-16 code units. Above it, reading pauses. */
const maxBufferedChars = 200_000;
/**
 * Maximum output of a run that is sent to the page, in UTF-16 code units. The page requests the rest by the run's id.
 */
const maxChars = 2_000_000;
/** Maximum number of runs that are followed at the same time. */
const maxRuns = 16;

type ExecutionMessage = Extract<HostToPage, { kind: 'execution' }>;

/** Options of `PageRuns`. */
export interface PageRunsOptions {
  readonly connection: Pick<ServerConnection, 'execute'>;
  readonly consent: Consent;
  readonly send: (message: ExecutionMessage) => void;
  readonly problems: Problems;
  readonly log: Log;
  readonly t: Translate;
}

interface FollowedRun {
  readonly controller: AbortController;
  /** Whether the server has received the program, which then runs without this window. */
  isSubmitted: boolean;
  /** Whether the page that followed the run is gone. */
  isPageGone: boolean;
}

/** The runs that the chat page follows. They continue when the page is closed. */
export class PageRuns {
  readonly #options: PageRunsOptions;
  readonly #followed = new Map<string, FollowedRun>();

  constructor(options: PageRunsOptions) {
    this.#options = options;
  }

  /** Runs a program for the page, or without a request follows the run with this id from its start. */
  execute(id: string, request: ExecutionRequest | undefined): void {
    const { connection, consent, problems, send } = this.#options;
    this.#followed.get(id)?.controller.abort();
    this.#followed.delete(id);
    const followed: FollowedRun = {
      controller: new AbortController(),
      isSubmitted: request === undefined,
      isPageGone: false,
    };
    const { signal } = followed.controller;
    const relay = new Relay(id, (message) => {
      if (!signal.aborted && !followed.isPageGone) send(message);
    });
    if (this.#followed.size >= maxRuns) {
      relay.fail(problems.tooManyRuns().problem);
      return;
    }
    this.#followed.set(id, followed);
    const onEvents = (events: ExecutionEvent[], restart: boolean) => {
      followed.isSubmitted = true;
      if (followed.isPageGone) followed.controller.abort();
      return relay.receive(events, restart);
    };
    const follow = (program: ExecutionRequest | undefined) => connection.execute(id, program, onEvents, signal);
    const work = async () => {
      if (!request) await follow(undefined);
      else if (request.id !== id) throw problems.invalidRequest('id');
      else await consent.around(request, follow);
    };
    work()
      .catch((error: unknown) => this.#failed(error, relay, signal))
      .finally(() => {
        if (this.#followed.get(id) === followed) this.#followed.delete(id);
      });
  }

  /** Stops following the runs because the page is gone. A program that is being submitted still reaches the server. */
  leave(): void {
    for (const [id, followed] of this.#followed) {
      followed.isPageGone = true;
      if (!followed.isSubmitted) continue;
      followed.controller.abort();
      this.#followed.delete(id);
    }
  }

  #failed(error: unknown, relay: Relay, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { log, t } = this.#options;
    if (!(error instanceof ProblemError)) log.error(error instanceof Error ? (error.stack ?? '') : String(error));
    relay.fail(asProblem(error, t));
  }
}

/** Sends the events of a run to the page, buffered and limited in size. */
class Relay {
  readonly #id: string;
  readonly #send: (message: ExecutionMessage) => void;
  #buffered: ExecutionEvent[] = [];
  #restart = false;
  #chars = 0;
  #flushedChars = 0;
  #cut = false;
  #flushed: Promise<void> | undefined;

  constructor(id: string, send: (message: ExecutionMessage) => void) {
    this.#id = id;
    this.#send = send;
  }

  /** Handles events. A returned promise has to be awaited before more is read. */
  receive(events: readonly ExecutionEvent[], restart: boolean): Promise<void> | undefined {
    if (restart) {
      this.#buffered = [];
      this.#restart = true;
      this.#chars = 0;
      this.#flushedChars = 0;
      this.#cut = false;
    }
    for (const event of events) this.#take(event);
    if (events.some(({ type }) => type !== 'output')) {
      this.#flush();
      return undefined;
    }
    this.#flushed ??= new Promise<void>((resolve) => {
      setTimeout(() => {
        this.#flushed = undefined;
        this.#flush();
        resolve();
      }, bufferMs);
    });
    return this.#chars - this.#flushedChars > maxBufferedChars ? this.#flushed : undefined;
  }

  /** Sends the buffered events, then a problem. */
  fail(problem: NonNullable<ExecutionMessage['problem']>): void {
    this.#flush();
    this.#send({ kind: 'execution', id: this.#id, events: [], problem });
  }

  #take(event: ExecutionEvent): void {
    if (event.type === 'output') {
      const text = event.text.slice(0, maxChars - this.#chars);
      this.#cut ||= text.length < event.text.length;
      this.#chars += text.length;
      if (text !== '') this.#buffered.push({ ...event, text });
    } else if (event.type === 'ended') {
      this.#buffered.push({ ...event, record: this.#receipt(event.record) });
    } else this.#buffered.push(event);
  }

  /** Returns the record without the contents that the page already has or requests by id. */
  #receipt(record: Extract<ExecutionEvent, { type: 'ended' }>['record']): typeof record {
    const { truncated } = record;
    return {
      ...record,
      stdout: '',
      stderr: '',
      order: [],
      truncated: { stdout: truncated.stdout || this.#cut, stderr: truncated.stderr },
      artifacts: record.artifacts.map((artifact) => ({ ...artifact, data: '' })),
    };
  }

  #flush(): void {
    if (this.#buffered.length === 0) return;
    const events = coalesced(this.#buffered);
    this.#buffered = [];
    this.#flushedChars = this.#chars;
    const restart = this.#restart;
    this.#restart = false;
    this.#send({ kind: 'execution', id: this.#id, events, ...(restart ? { restart } : {}) });
  }
}
