import { EventEmitter, on } from 'node:events';
import type { Event } from '@devlm/protocol/events.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { ServerInfo, ServerNotice } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { EventLog } from '../storage/event-log.ts';
import type { Fanout } from '../storage/ports/fanout.ts';
import type { Store } from '../storage/ports/store.ts';
import { summaryOf } from './summary.ts';

/** Types of events that change the list of conversations. */
const listEvents: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'conversation.created',
  'conversation.renamed',
  'turn.created',
  'turn.ended',
]);
/**
 * Interval for which changes in the usage are collected before one notice is sent, in milliseconds. Thousands of calls
 * to the Messages endpoint can end within a short time.
 */
const usageDebounceMs = 200;
/** Types of events that carry costs. */
const costEvents: ReadonlySet<Event['type']> = new Set<Event['type']>(['step.ended', 'step.abandoned']);

/**
 * Notices that every window receives, whichever conversation it shows. An open stream of notices also shows that
 * the window is open. Notices for a user reach windows at all nodes. A notice that is lost on the way is not sent again:
 * a window that reconnects loads everything.
 */
export class Notices {
  /** Each notice comes with the id of its recipient; null: all users. */
  readonly #emitter = new EventEmitter<{ notice: [ServerNotice, string | null] }>();
  readonly #store: Store;
  readonly #fanout: Fanout;
  readonly #logger: Logger;
  #watchers = 0;
  #usageTimer: NodeJS.Timeout | undefined;
  /** Number of windows by user id. */
  readonly #windowsByUser = new Map<string, number>();

  constructor(store: Store, log: EventLog, fanout: Fanout, logger: Logger) {
    this.#store = store;
    this.#fanout = fanout;
    this.#logger = logger;
    this.#emitter.setMaxListeners(0);
    log.onAppend((conversationId, events) => {
      if (events.some((event) => listEvents.has(event.type))) this.conversationChanged(conversationId);
      if (events.some((event) => costEvents.has(event.type))) this.usageChanged();
    });
    fanout.onMessage((message) => {
      if (message.kind === 'listed') this.#sendConversation(message.conversationId);
      else if (message.kind === 'spent') this.#sendUsage();
      else if (message.kind === 'notice') this.#emitter.emit('notice', message.notice, message.userId);
    });
  }

  /** Number of connected windows. */
  get watchers(): number {
    return this.#watchers;
  }

  /**
   * Sends a notice.
   * @param userId the only recipient, at any node; null (default): all users at this node
   */
  send(notice: ServerNotice, userId: string | null = null): void {
    this.#emitter.emit('notice', notice, userId);
    if (userId !== null) this.#fanout.publish({ kind: 'notice', notice, userId });
  }

  /** Sends a notice to the owner of a project. */
  sendTo(projectId: string, notice: ServerNotice): void {
    this.#store.owners.ownerOf('project', projectId).then(
      (owner) => this.send(notice, owner ?? localUser),
      (error: unknown) => this.#logger.warn({ err: error }, 'cannot create a notice'),
    );
  }

  /** Sends the changed conversation to the windows of its owner, at any node. */
  conversationChanged(id: string): void {
    this.#sendConversation(id);
    this.#fanout.publish({ kind: 'listed', conversationId: id });
  }

  /** Sends today's usage, which has changed, to all windows. Calls within `usageDebounceMs` are combined. */
  usageChanged(): void {
    this.#usageTimer ??= setTimeout(() => {
      this.#usageTimer = undefined;
      this.#sendUsage();
      this.#fanout.publish({ kind: 'spent' });
    }, usageDebounceMs).unref();
  }

  #sendConversation(id: string): void {
    if (this.#watchers === 0) return;
    this.#emitWhenReady(
      this.#store.conversations
        .get(id)
        .then(
          (row) =>
            row && { notice: { type: 'conversation.changed', conversation: summaryOf(row) }, userId: row.userId },
        ),
    );
  }

  #sendUsage(): void {
    for (const userId of this.#windowsByUser.keys())
      this.#emitWhenReady(this.#usage(userId).then((notice) => ({ notice, userId })));
  }

  /** Yields the notices for a user: first `hello` and today's usage, then notices as they are sent. */
  async *subscribe(
    info: () => ServerInfo,
    userId: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ data: ServerNotice }[]> {
    this.#watchers++;
    this.#windowsByUser.set(userId, (this.#windowsByUser.get(userId) ?? 0) + 1);
    try {
      // Listening starts before the first message, so that no notice is lost in between.
      const notices = on(this.#emitter, 'notice', { signal });
      yield [{ data: { type: 'hello', info: info() } }];
      yield [{ data: await this.#usage(userId) }];
      for await (const [notice, addressee] of notices)
        if (addressee === null || addressee === userId) yield [{ data: notice }];
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#watchers--;
      const remaining = (this.#windowsByUser.get(userId) ?? 0) - 1;
      if (remaining > 0) this.#windowsByUser.set(userId, remaining);
      else this.#windowsByUser.delete(userId);
    }
  }

  async #usage(userId: string): Promise<ServerNotice> {
    return { type: 'usage.changed', today: await this.#store.ledger.usageSince(startOfDay(), userId) };
  }

  #emitWhenReady(addressedNotice: Promise<{ notice: ServerNotice; userId: string } | null>): void {
    addressedNotice.then(
      (ready) => ready && this.#emitter.emit('notice', ready.notice, ready.userId),
      (error: unknown) => this.#logger.warn({ err: error }, 'cannot create a notice'),
    );
  }
}

/** Returns the start of the day of `now` in the time zone `offset` minutes east of UTC. Default: the local time zone. */
export function startOfDay(now = new Date(), offset = -now.getTimezoneOffset()): Date {
  const local = new Date(now.getTime() + offset * 60_000);
  local.setUTCHours(0, 0, 0, 0);
  return new Date(local.getTime() - offset * 60_000);
}
