import type { EditorAnswer, EditorHello } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { Backoff } from '../backoff.ts';
import type { ServerConnection } from '../connection/connection.ts';
import { openStream } from '../connection/events.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { refusals } from './problems.ts';
import { type Handlers, Requests } from './requests.ts';

/** Maximum size of a request in UTF-16 code units: a change of many files. */
const eventChars = 16 * limits.fileBytes;
/** Duration after which a stream counts as stable and the backoff is reset, in milliseconds. */
const stableMs = 5_000;

/** Options of a `WorkspaceSharing`. */
export interface WorkspaceSharingOptions {
  readonly connection: Pick<ServerConnection, 'state' | 'onState' | 'ready' | 'call'>;
  /** Returns what the window offers now, or null for nothing. */
  readonly hello: () => EditorHello | null;
  readonly handlers: Handlers;
  readonly problems: Problems;
  readonly log: Log;
  /** Delay between attempts. Default: 500 ms to 30 s. */
  readonly backoff?: () => Backoff;
}

/**
 * Shares the window's workspace with the server while both exist. It never starts the server; the first use of the chat
 * does.
 */
export class WorkspaceSharing {
  readonly #options: WorkspaceSharingOptions;
  readonly #requests: Requests;
  readonly #stopListening: () => void;
  #hold: AbortController | undefined;
  /** The current hello as JSON, or undefined if nothing is shared. */
  #held: string | undefined;
  #disposed = false;

  constructor(options: WorkspaceSharingOptions) {
    this.#options = options;
    const { connection, handlers, log } = options;
    this.#requests = new Requests({ handlers, log, send: (id, answer) => this.#send(id, answer) });
    this.#stopListening = connection.onState(() => this.changed());
    this.changed();
  }

  /** Updates the stream after a possible change of workspace, trust, rules or server. */
  changed(): void {
    const { connection, hello } = this.#options;
    const wanted = !this.#disposed && connection.state.state === 'ready' ? hello() : null;
    const wantedJson = wanted ? JSON.stringify(wanted) : undefined;
    if (wantedJson === this.#held) return;
    this.#held = wantedJson;
    const previous = this.#hold;
    this.#hold = undefined;
    if (!wanted) {
      previous?.abort();
      return;
    }
    const hold = new AbortController();
    this.#hold = hold;
    // Close the old stream only when the new one is open, so that the window never appears absent.
    void this.#keep(wanted, hold.signal, () => previous?.abort()).finally(() => previous?.abort());
  }

  /** Stops sharing and aborts all requests. */
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
      let openedAt: number | undefined;
      try {
        const { endpoint } = await connection.ready(signal);
        const stream = openStream(endpoint, routes['editor.attach'].path, {
          body: hello,
          signal,
          problems,
          eventChars,
          onOpen: () => {
            openedAt = performance.now();
            log.debug('the workspace is shared with the server');
            onOpen();
          },
        });
        for await (const messages of stream) {
          for (const { data } of messages) void this.#requests.take(parseJson(data));
        }
      } catch (error) {
        if (signal.aborted) return;
        log.debug(`could not share the workspace: ${String(error)}`);
        // The server refused this hello; another hello or another server may succeed.
        if (error instanceof ProblemError && [400, 404, 413].includes(error.problem.status)) return;
      }
      if (openedAt !== undefined && performance.now() - openedAt >= stableMs) backoff.reset();
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
