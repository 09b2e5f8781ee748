import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import type { EditorAction, PageSettings, SavedView } from '@devlm/protocol/page.ts';
import { type HostToPage, PageToHost } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { isPageRoute, routes } from '@devlm/protocol/routes.ts';
import type { ServerConnection } from '../connection/connection.ts';
import type { Log, Translate } from '../ports.ts';
import { asProblem, problemsOf } from '../problems.ts';
import type { Consent } from '../runs/consent.ts';
import { PageRuns } from './page-runs.ts';

/** Sends a message to the page. Resolves to false if there was no page to receive it. */
export type Post = (message: HostToPage) => PromiseLike<boolean>;

/** Options of a `ChatHost`. */
export interface ChatHostOptions {
  readonly connection: ServerConnection;
  /** Performs an action in the editor. Returns what `EditorAction` documents. */
  readonly editor: (action: EditorAction, signal: AbortSignal) => Promise<unknown>;
  readonly view: () => SavedView;
  readonly settings: () => PageSettings;
  readonly projectId: () => string | null;
  readonly consent: Consent;
  readonly strings: Readonly<Record<string, string>>;
  /** Called with true when the page is ready, and with false when it is hidden or reloading. */
  readonly onReady: (ready: boolean) => void;
  /** Called after a route that the page called has succeeded. */
  readonly onCalled?: (route: string) => void;
  readonly log: Log;
  readonly t: Translate;
}

/** Maximum number of concurrent calls of the page. */
const maxCalls = 64;
/** Maximum number of requests that are queued until the page is ready. */
const maxPending = 20;
/** Maximum length of the message id in the answer to a refused message. */
const maxIdChars = 100;
/** Number of page messages whose kind is kept, for tests and for the log. */
const maxHistory = 100;

interface Subscription {
  readonly conversationId: string;
  readonly controller: AbortController;
  /** `seq` of the last event that the page has received. */
  last: number;
}

/**
 * The extension's side of the chat page. All input from the page is untrusted until a schema has validated it. The
 * host lives as long as the window; pages come and go (`connect`, `disconnect`).
 */
export class ChatHost {
  readonly #options: ChatHostOptions;
  readonly #unsubscribe: (() => void)[];
  readonly #runs: PageRuns;
  #post: Post | undefined;
  /** Aborts all work that was started for the current page. */
  #page = new AbortController();
  #ready = false;
  #calls = 0;
  #subscription: Subscription | undefined;
  #pending: HostToPage[] = [];
  /** Kinds of the last page messages. */
  readonly history: string[] = [];

  constructor(options: ChatHostOptions) {
    this.#options = options;
    const { connection, consent, log, t } = options;
    const send = (message: HostToPage) => this.#send(message);
    this.#runs = new PageRuns({ connection, consent, send, problems: problemsOf(t), log, t });
    this.#unsubscribe = [
      connection.onState((server) => this.#send({ kind: 'server', server })),
      connection.onNotice((notice) => this.#send({ kind: 'notice', notice })),
    ];
  }

  /** Attaches a page. It sends `ready` when it can receive messages. */
  connect(post: Post): void {
    this.#post = post;
  }

  /** Detaches a page that is hidden or closed. The editor does not keep it: a page that is shown again is loaded again. */
  disconnect(): void {
    this.#post = undefined;
    this.loading();
  }

  /** Marks the page as loading: subscriptions end, and requests are queued until it sends `ready`. */
  loading(): void {
    this.#subscription?.controller.abort();
    this.#subscription = undefined;
    this.#runs.leave();
    if (!this.#ready) return;
    this.#ready = false;
    this.#options.onReady(false);
  }

  /** Sends a request to the page, or queues it until the page is ready. */
  ask(message: Extract<HostToPage, { kind: 'do' }>): void {
    if (this.#ready && this.#post) this.#send(message);
    else this.#pending = [...this.#pending, message].slice(-maxPending);
  }

  /** Sends the current settings to the page. */
  settingsChanged(): void {
    this.#send({ kind: 'settings', settings: this.#options.settings() });
  }

  dispose(): void {
    for (const stop of this.#unsubscribe) stop();
    this.disconnect();
    this.#page.abort();
  }

  /** Handles a raw message from the page. */
  receive(raw: unknown): void {
    const checked = PageToHost.safeParse(raw);
    if (!checked.success) {
      this.#refuse(raw, checked.error.issues[0]?.message ?? '');
      return;
    }
    const message = checked.data;
    this.#remember(message.kind === 'call' ? `call ${message.route}` : message.kind);
    switch (message.kind) {
      case 'ready':
        this.#welcome();
        break;
      case 'subscribe':
        this.#subscription?.controller.abort();
        this.#subscription = undefined;
        if (message.conversationId !== null) this.#subscribe(message.conversationId, message.after);
        break;
      case 'execute':
        this.#runs.execute(message.id, message.request);
        break;
      case 'editor':
        void this.#reply(message.id, (signal) => this.#options.editor(message.action, signal));
        break;
      case 'call':
        void this.#reply(message.id, async (signal) => {
          if (!isPageRoute(message.route)) throw this.#unknownRoute();
          // Calls that change something are completed even if the page is hidden right after.
          const options = routes[message.route].method === 'GET' ? { signal } : {};
          const value = await this.#options.connection.callUnchecked(message.route, message.input, options);
          this.#options.onCalled?.(message.route);
          return value;
        });
        break;
    }
  }

  /** Initializes a page that has just loaded, and ends everything that the previous page started. */
  #welcome(): void {
    this.#page.abort();
    this.#page = new AbortController();
    this.#subscription?.controller.abort();
    this.#subscription = undefined;
    this.#runs.leave();
    this.#ready = true;
    const { view, settings, connection, strings, projectId } = this.#options;
    this.#send({
      kind: 'hello',
      view: view(),
      settings: settings(),
      server: connection.state,
      strings,
      projectId: projectId(),
    });
    for (const message of this.#pending.splice(0)) this.#send(message);
    this.#options.onReady(true);
  }

  async #reply(id: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const { t, log } = this.#options;
    const { signal } = this.#page;
    if (this.#calls >= maxCalls) {
      this.#send({ kind: 'reply', id, ok: false, problem: this.#tooMany() });
      return;
    }
    this.#calls += 1;
    try {
      const value = (await work(signal)) ?? null;
      if (!signal.aborted) this.#send({ kind: 'reply', id, ok: true, value });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) log.error(error instanceof Error ? (error.stack ?? '') : String(error));
      this.#send({ kind: 'reply', id, ok: false, problem: asProblem(error, t) });
    } finally {
      this.#calls -= 1;
    }
  }

  #subscribe(conversationId: string, after: number): void {
    const subscription: Subscription = { conversationId, controller: new AbortController(), last: after };
    this.#subscription = subscription;
    const deliver = async (events: ReceivedEvent[]) => {
      if (subscription.controller.signal.aborted) return;
      const isDelivered = await this.#post?.({ kind: 'events', conversationId, events });
      // The error causes the events to be read again, so that the page never has a gap.
      if (!isDelivered) throw new Error('the page did not receive the events');
      subscription.last = events.at(-1)?.seq ?? subscription.last;
    };
    this.#options.connection
      .follow(conversationId, after, deliver, subscription.controller.signal)
      .catch((error: unknown) => {
        this.#options.log.warn(`events of ${conversationId}: ${String(error)}`);
        if (this.#subscription !== subscription) return;
        this.#subscription = undefined;
        // The log is shorter than what the page has: the page has to reload the conversation.
        if (error instanceof ProblemError && error.problem.status === 410)
          this.#send({ kind: 'do', what: 'openConversation', conversationId });
      });
  }

  #send(message: HostToPage): void {
    if (!this.#ready) return;
    this.#post?.(message).then(undefined, (error: unknown) =>
      this.#options.log.debug(`message to the page: ${String(error)}`),
    );
  }

  /** Answers a malformed message if it has an id, so that the page does not wait forever. */
  #refuse(raw: unknown, why: string): void {
    this.#options.log.warn(`the page sent a message that was refused: ${why}`);
    this.#remember('refused');
    const id = typeof raw === 'object' && raw !== null && 'id' in raw ? raw.id : undefined;
    const { t } = this.#options;
    const problem = {
      code: 'invalid_request',
      status: 400,
      title: t('Invalid request'),
      detail: t('The chat view sent a message that DevLM cannot read. Reload the chat view.'),
    };
    if (typeof id === 'string') this.#send({ kind: 'execution', id: id.slice(0, maxIdChars), events: [], problem });
    if (typeof id !== 'number' || !Number.isSafeInteger(id)) return;
    this.#send({ kind: 'reply', id, ok: false, problem });
  }

  #unknownRoute(): ProblemError {
    const { t } = this.#options;
    return new ProblemError({
      code: 'not_found',
      status: 404,
      title: t('Unknown request'),
      detail: t('The chat view sent a request that DevLM does not support. Reload the chat view.'),
    });
  }

  #tooMany() {
    const { t } = this.#options;
    return {
      code: 'too_many_requests',
      status: 429,
      title: t('Too many requests'),
      detail: t('The chat view sent too many requests at once. Try again in a moment.'),
    };
  }

  #remember(kind: string): void {
    this.history.push(kind);
    if (this.history.length > maxHistory) this.history.shift();
  }
}
