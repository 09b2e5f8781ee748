import type { ExecutionEvent, ExecutionRequest } from '@devlm/protocol/execution.ts';
import type { HostToPage } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ServerConnection } from '../connection/connection.ts';
import type { Log, Translate } from '../ports.ts';
import { asProblem, type Problems } from '../problems.ts';
import type { Consent } from '../runs/consent.ts';
import { coalesced } from './coalesce.ts';

/** Output is gathered for so long before it goes to the page. */
const gatherMs = 50;
/** So much waits at most, in UTF-16 code units: then reading waits too. */
const waitingChars = 200_000;
/** Most of one run's output that goes to the page, in UTF-16 code units; the rest is behind its id. */
const maxChars = 2_000_000;
/** Most runs that are followed for the page at once. */
const maxRuns = 16;

type Message = Extract<HostToPage, { kind: 'execution' }>;

export interface PageRunsOptions {
  readonly connection: Pick<ServerConnection, 'execute'>;
  readonly consent: Consent;
  readonly send: (message: Message) => void;
  readonly problems: Problems;
  readonly log: Log;
  readonly t: Translate;
}

interface Followed {
  readonly cut: AbortController;
  /** The server has the program: it runs on by itself. */
  known: boolean;
  /** The page that wanted to hear of it is gone. */
  left: boolean;
}

/** The runs that the chat page follows. They go on when it goes away. */
export class PageRuns {
  readonly #options: PageRunsOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: PageRunsOptions) {
    this.#options = options;
  }

  /** Runs a program for the page, or without a request follows the run with this id anew. */
  execute(id: string, request: ExecutionRequest | undefined): void {
    const { connection, consent, problems, send } = this.#options;
    this.#followed.get(id)?.cut.abort();
    this.#followed.delete(id);
    const followed: Followed = { cut: new AbortController(), known: request === undefined, left: false };
    const { signal } = followed.cut;
    const relay = new Relay(id, (message) => {
      if (!signal.aborted && !followed.left) send(message);
    });
    if (this.#followed.size >= maxRuns) {
      relay.fail(problems.tooManyRuns().problem);
      return;
    }
    this.#followed.set(id, followed);
    const hear = (events: ExecutionEvent[], restart: boolean) => {
      followed.known = true;
      if (followed.left) followed.cut.abort();
      return relay.hear(events, restart);
    };
    const follow = (wanted: ExecutionRequest | undefined) => connection.execute(id, wanted, hear, signal);
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

  /** The page is gone: nothing is read for it any more. A program that is on its way still gets there. */
  leave(): void {
    for (const [id, followed] of this.#followed) {
      followed.left = true;
      if (!followed.known) continue;
      followed.cut.abort();
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

/** Events of one run on their way to the page: gathered, and no more of them than it can use. */
class Relay {
  readonly #id: string;
  readonly #send: (message: Message) => void;
  #waiting: ExecutionEvent[] = [];
  #restart = false;
  #chars = 0;
  #flushedChars = 0;
  #cut = false;
  #flushed: Promise<void> | undefined;

  constructor(id: string, send: (message: Message) => void) {
    this.#id = id;
    this.#send = send;
  }

  /** What it returns, if anything, is to be awaited before more is read. */
  hear(events: readonly ExecutionEvent[], restart: boolean): Promise<void> | undefined {
    if (restart) {
      this.#waiting = [];
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
      }, gatherMs);
    });
    return this.#chars - this.#flushedChars > waitingChars ? this.#flushed : undefined;
  }

  fail(problem: NonNullable<Message['problem']>): void {
    this.#flush();
    this.#send({ kind: 'execution', id: this.#id, events: [], problem });
  }

  #take(event: ExecutionEvent): void {
    if (event.type === 'output') {
      const text = event.text.slice(0, maxChars - this.#chars);
      this.#cut ||= text.length < event.text.length;
      this.#chars += text.length;
      if (text !== '') this.#waiting.push({ ...event, text });
    } else if (event.type === 'ended') {
      this.#waiting.push({ ...event, record: this.#receipt(event.record) });
    } else this.#waiting.push(event);
  }

  /** The record without what the page has already, or asks for by its id. */
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
    if (this.#waiting.length === 0) return;
    const events = coalesced(this.#waiting);
    this.#waiting = [];
    this.#flushedChars = this.#chars;
    const restart = this.#restart;
    this.#restart = false;
    this.#send({ kind: 'execution', id: this.#id, events, ...(restart ? { restart } : {}) });
  }
}
