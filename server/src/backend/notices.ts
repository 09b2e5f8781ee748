import { EventEmitter, on } from 'node:events';
import type { Event } from '@devlm/protocol/events.ts';
import type { ServerInfo, ServerNotice } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { EventLog } from '../storage/event-log.ts';
import type { Store } from '../storage/store.ts';

/** Events after which a list of conversations looks different. */
const listed: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'conversation.created',
  'conversation.renamed',
  'turn.created',
  'turn.ended',
]);
const priced: ReadonlySet<Event['type']> = new Set<Event['type']>(['step.ended', 'step.abandoned']);

/**
 * What every window should know, whichever conversation it shows: a window's stream of notices is
 * also its sign of life.
 */
export class Notices {
  readonly #emitter = new EventEmitter<{ notice: [ServerNotice] }>();
  readonly #store: Store;
  readonly #logger: Logger;
  #watchers = 0;

  constructor(store: Store, log: EventLog, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
    this.#emitter.setMaxListeners(0);
    log.onAppend((conversationId, events) => {
      if (this.#watchers === 0) return;
      if (events.some((event) => listed.has(event.type))) this.conversationChanged(conversationId);
      if (events.some((event) => priced.has(event.type))) this.usageChanged();
    });
  }

  /** Windows that are listening. */
  get watchers(): number {
    return this.#watchers;
  }

  send(notice: ServerNotice): void {
    this.#emitter.emit('notice', notice);
  }

  conversationChanged(id: string): void {
    this.#tell(
      this.#store.conversation(id).then((row) => {
        if (!row) return null;
        const { head: _head, lastSeq: _lastSeq, ...conversation } = row;
        return { type: 'conversation.changed', conversation };
      }),
    );
  }

  /** What was spent today is another sum now. */
  usageChanged(): void {
    if (this.#watchers > 0) this.#tell(this.#usage());
  }

  async *subscribe(info: () => ServerInfo, signal: AbortSignal): AsyncGenerator<{ data: ServerNotice }[]> {
    this.#watchers++;
    try {
      // Listening starts before the first message, so that nothing falls between the two.
      const notices = on(this.#emitter, 'notice', { signal });
      yield [{ data: { type: 'hello', info: info() } }];
      yield [{ data: { type: 'usage.changed', today: await this.#store.usageSince(startOfDay()) } }];
      for await (const [notice] of notices) yield [{ data: notice }];
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#watchers--;
    }
  }

  async #usage(): Promise<ServerNotice> {
    return { type: 'usage.changed', today: await this.#store.usageSince(startOfDay()) };
  }

  #tell(notice: Promise<ServerNotice | null>): void {
    notice.then(
      (ready) => ready && this.send(ready),
      (error: unknown) => this.#logger.warn({ err: error }, 'a notice could not be made'),
    );
  }
}

/** Midnight before `now`, in a time zone `offset` minutes east of UTC; default: this machine's. */
export function startOfDay(now = new Date(), offset = -now.getTimezoneOffset()): Date {
  const local = new Date(now.getTime() + offset * 60_000);
  local.setUTCHours(0, 0, 0, 0);
  return new Date(local.getTime() - offset * 60_000);
}
