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

/** How a message reaches the page; false when there was none to take it. */
export type Post = (message: HostToPage) => PromiseLike<boolean>;

export interface ChatHostOptions {
  readonly connection: ServerConnection;
  /** Does what only the editor can; answers what `EditorAction` notes. */
  readonly editor: (action: EditorAction, signal: AbortSignal) => Promise<unknown>;
  readonly view: () => SavedView;
  readonly settings: () => PageSettings;
  readonly projectId: () => string | null;
  readonly consent: Consent;
  readonly strings: Readonly<Record<string, string>>;
  /** Called with true when the page has said that it is there, and with false when it no longer is. */
  readonly onReady: (ready: boolean) => void;
  /** A route that the page called has answered. */
  readonly onCalled?: (route: string) => void;
  readonly log: Log;
  readonly t: Translate;
}

/** Most calls of the page that may be under way. */
const maxCalls = 64;
/** Most things asked of a page that is not there yet. */
const maxPending = 20;
/** Longest id of a message that is answered although it was refused. */
const maxIdChars = 100;
/** Page messages whose kind is remembered, for tests and for the log. */
const maxHistory = 100;

interface Subscription {
  readonly conversationId: string;
  readonly cut: AbortController;
  /** The last event that the page has. */
  last: number;
}

/**
 * The extension's half of the chat page. Everything from the page is hostile until a schema has
 * passed it. Lives as long as the window; pages come and go (`connect`, `disconnect`).
 */
export class ChatHost {
  readonly #options: ChatHostOptions;
  readonly #unsubscribe: (() => void)[];
  readonly #runs: PageRuns;
  #post: Post | undefined;
  /** Ends all that was begun for the page that is there. */
  #page = new AbortController();
  #ready = false;
  #calls = 0;
  #subscription: Subscription | undefined;
  #pending: HostToPage[] = [];
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

  /** A page can be spoken to from now on; it says `ready` when it listens. */
  connect(post: Post): void {
    this.#post = post;
  }

  /** The page is hidden or gone. The editor does not keep it: what is shown again was loaded anew. */
  disconnect(): void {
    this.#post = undefined;
    this.loading();
  }

  /** The page is loaded anew: nothing is read for it, and what is asked of it waits, until it says `ready`. */
  loading(): void {
    this.#subscription?.cut.abort();
    this.#subscription = undefined;
    this.#runs.leave();
    if (!this.#ready) return;
    this.#ready = false;
    this.#options.onReady(false);
  }

  /** Asks something of the page, now or as soon as it is there. */
  ask(message: Extract<HostToPage, { kind: 'do' }>): void {
    if (this.#ready && this.#post) this.#send(message);
    else this.#pending = [...this.#pending, message].slice(-maxPending);
  }

  settingsChanged(): void {
    this.#send({ kind: 'settings', settings: this.#options.settings() });
  }

  dispose(): void {
    for (const stop of this.#unsubscribe) stop();
    this.disconnect();
    this.#page.abort();
  }

  /** A message from the page, as it came. */
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
        this.#subscription?.cut.abort();
        this.#subscription = undefined;
        if (message.conversationId !== null) this.#subscribe(message.conversationId, message.after);
        break;
      case 'execute':
        this.#runs.execute(message.id, message.request);
        break;
      case 'editor':
        void this.#answer(message.id, (signal) => this.#options.editor(message.action, signal));
        break;
      case 'call':
        void this.#answer(message.id, async (signal) => {
          if (!isPageRoute(message.route)) throw this.#unknownRoute();
          // What changes something is carried through, even when the page is hidden right after.
          const options = routes[message.route].method === 'GET' ? { signal } : {};
          const value = await this.#options.connection.callUnchecked(message.route, message.input, options);
          this.#options.onCalled?.(message.route);
          return value;
        });
        break;
    }
  }

  /** A page that was loaded: it knows nothing, and whatever the one before began is over. */
  #welcome(): void {
    this.#page.abort();
    this.#page = new AbortController();
    this.#subscription?.cut.abort();
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

  async #answer(id: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
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
    const subscription: Subscription = { conversationId, cut: new AbortController(), last: after };
    this.#subscription = subscription;
    const deliver = async (events: ReceivedEvent[]) => {
      if (subscription.cut.signal.aborted) return;
      const taken = await this.#post?.({ kind: 'events', conversationId, events });
      // They are then read again, so that the page never sees a gap.
      if (!taken) throw new Error('the page did not take the events');
      subscription.last = events.at(-1)?.seq ?? subscription.last;
    };
    this.#options.connection.follow(conversationId, after, deliver, subscription.cut.signal).catch((error: unknown) => {
      this.#options.log.warn(`events of ${conversationId}: ${String(error)}`);
      if (this.#subscription !== subscription) return;
      this.#subscription = undefined;
      // The log is shorter than what the page has: it must begin anew.
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

  /** A malformed message is answered where it can be, so that the page does not wait for ever. */
  #refuse(raw: unknown, why: string): void {
    this.#options.log.warn(`the page sent a message that was refused: ${why}`);
    this.#remember('refused');
    const id = typeof raw === 'object' && raw !== null && 'id' in raw ? raw.id : undefined;
    const { t } = this.#options;
    const problem = {
      code: 'invalid_request',
      status: 400,
      title: t('Invalid request'),
      detail: t('The chat view sent something that DevLM cannot read.'),
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
      detail: t('The chat view asked for something that DevLM does not have.'),
    });
  }

  #tooMany() {
    const { t } = this.#options;
    return {
      code: 'too_many_requests',
      status: 429,
      title: t('Too many requests'),
      detail: t('The chat view asked for too much at once. Try again in a moment.'),
    };
  }

  #remember(kind: string): void {
    this.history.push(kind);
    if (this.history.length > maxHistory) this.history.shift();
  }
}
