import type { EditorAnswer, EditorHello } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { Backoff } from '../backoff.ts';
import type { ServerConnection } from '../connection/connection.ts';
import { openStream, parse } from '../connection/events.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { refusals } from './problems.ts';
import { type Handlers, Requests } from './requests.ts';

/** Longest request that is read, in UTF-16 code units: a change of many files. */
const eventChars = 16 * limits.fileBytes;
/** A stream that held for so long was a good one, milliseconds. */
const stableMs = 5_000;

export interface LenderOptions {
  readonly connection: Pick<ServerConnection, 'state' | 'onState' | 'ready' | 'call'>;
  /** What the window lends now; null: nothing. */
  readonly hello: () => EditorHello | null;
  readonly handlers: Handlers;
  readonly problems: Problems;
  readonly log: Log;
  /** Between attempts. Default 500 ms to 30 s. */
  readonly backoff?: () => Backoff;
}

/**
 * Lends the window's workspace to the server for as long as there is one and it runs. It never starts
 * the server: that is done by the first use of the chat.
 */
export class Lender {
  readonly #options: LenderOptions;
  readonly #requests: Requests;
  readonly #stopListening: () => void;
  #hold: AbortController | undefined;
  /** The hello that is held open, as JSON; undefined: none. */
  #held: string | undefined;
  #disposed = false;

  constructor(options: LenderOptions) {
    this.#options = options;
    const { connection, handlers, log } = options;
    this.#requests = new Requests({ handlers, log, send: (id, answer) => this.#send(id, answer) });
    this.#stopListening = connection.onState(() => this.changed());
    this.changed();
  }

  /** The workspace, its trust, its rules or the server may be others than before. */
  changed(): void {
    const { connection, hello } = this.#options;
    const wanted = !this.#disposed && connection.state.state === 'ready' ? hello() : null;
    const text = wanted ? JSON.stringify(wanted) : undefined;
    if (text === this.#held) return;
    this.#held = text;
    const before = this.#hold;
    this.#hold = undefined;
    if (!wanted) {
      before?.abort();
      return;
    }
    const hold = new AbortController();
    this.#hold = hold;
    // The old stream goes when the new one is there, so that the window never seems to be away.
    void this.#keep(wanted, hold.signal, () => before?.abort()).finally(() => before?.abort());
  }

  dispose(): void {
    this.#disposed = true;
    this.#stopListening();
    this.changed();
    this.#requests.dispose();
  }

  async #keep(hello: EditorHello, signal: AbortSignal, onOpen: () => void): Promise<void> {
    const { connection, problems, log } = this.#options;
    const backoff = this.#options.backoff?.() ?? new Backoff({ firstMs: 500, maxMs: 30_000 });
    while (!signal.aborted) {
      let opened: number | undefined;
      try {
        const { endpoint } = await connection.ready(signal);
        const stream = openStream(endpoint, routes['editor.attach'].path, {
          body: hello,
          signal,
          problems,
          eventChars,
          onOpen: () => {
            opened = performance.now();
            log.debug('the workspace is lent to the server');
            onOpen();
          },
        });
        for await (const messages of stream) {
          for (const { data } of messages) void this.#requests.take(parse(data));
        }
      } catch (error) {
        if (signal.aborted) return;
        log.debug(`lending the workspace: ${String(error)}`);
        // It understood and said no; another hello or another server may be taken.
        if (error instanceof ProblemError && [400, 404, 413].includes(error.problem.status)) return;
      }
      if (opened !== undefined && performance.now() - opened >= stableMs) backoff.reset();
      await backoff.wait(signal).catch(() => undefined);
    }
  }

  async #send(requestId: string, answer: EditorAnswer): Promise<void> {
    const { connection } = this.#options;
    const send = (body: EditorAnswer) => connection.call('editor.answer', { params: { requestId }, body });
    try {
      await send(answer);
    } catch (error) {
      if (!(error instanceof ProblemError && error.problem.status === 413)) throw error;
      await send({ ok: false, problem: refusals.answerTooLarge().problem });
    }
  }
}
