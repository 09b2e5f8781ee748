import { EventEmitter, on } from 'node:events';
import type { Event } from '@devlm/protocol/events.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { ServerInfo, ServerNotice } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { EventLog } from '../storage/event-log.ts';
import type { Fanout } from '../storage/ports/fanout.ts';
import type { Store } from '../storage/ports/store.ts';
import { summaryOf } from './summary.ts';

/** Events after which a list of conversations looks different. */
const listed: ReadonlySet<Event['type']> = new Set<Event['type']>([
  'conversation.created',
  'conversation.renamed',
  'turn.created',
  'turn.ended',
]);
/** Calls of the Messages endpoint end by the thousand: their sum is made for all that end in this time. Milliseconds. */
const gatherMs = 200;
const priced: ReadonlySet<Event['type']> = new Set<Event['type']>(['step.ended', 'step.abandoned']);

/**
 * What every window should know, whichever conversation it shows: a window's stream of notices is
 * also its sign of life. What concerns a user reaches the windows at all nodes, unless it is lost on the way: a window
 * that connects again reads everything anew.
 */
export class Notices {
  /** With whose it is; null: everybody's. */
  readonly #emitter = new EventEmitter<{ notice: [ServerNotice, string | null] }>();
  readonly #store: Store;
  readonly #fanout: Fanout;
  readonly #logger: Logger;
  #watchers = 0;
  #spending: NodeJS.Timeout | undefined;
  /** How many windows each user has. */
  readonly #watching = new Map<string, number>();

  constructor(store: Store, log: EventLog, fanout: Fanout, logger: Logger) {
    this.#store = store;
    this.#fanout = fanout;
    this.#logger = logger;
    this.#emitter.setMaxListeners(0);
    log.onAppend((conversationId, events) => {
      if (events.some((event) => listed.has(event.type))) this.conversationChanged(conversationId);
      if (events.some((event) => priced.has(event.type))) this.usageChanged();
    });
    fanout.onMessage((message) => {
      if (message.kind === 'listed') this.#listed(message.conversationId);
      else if (message.kind === 'spent') this.#spent();
      else if (message.kind === 'notice') this.#emitter.emit('notice', message.notice, message.userId);
    });
  }

  /** Windows that are listening. */
  get watchers(): number {
    return this.#watchers;
  }

  /** @param userId who alone is told, at whichever node; null: everybody at this one */
  send(notice: ServerNotice, userId: string | null = null): void {
    this.#emitter.emit('notice', notice, userId);
    if (userId !== null) this.#fanout.publish({ kind: 'notice', notice, userId });
  }

  /** To whoever has the project. */
  sendTo(projectId: string, notice: ServerNotice): void {
    this.#store.owners.ownerOf('project', projectId).then(
      (owner) => this.send(notice, owner ?? localUser),
      (error: unknown) => this.#logger.warn({ err: error }, 'a notice could not be made'),
    );
  }

  conversationChanged(id: string): void {
    this.#listed(id);
    this.#fanout.publish({ kind: 'listed', conversationId: id });
  }

  /** What was spent today is another sum now, for whoever looks at it. */
  usageChanged(): void {
    this.#spending ??= setTimeout(() => {
      this.#spending = undefined;
      this.#spent();
      this.#fanout.publish({ kind: 'spent' });
    }, gatherMs).unref();
  }

  #listed(id: string): void {
    if (this.#watchers === 0) return;
    this.#tell(
      this.#store.conversations
        .get(id)
        .then(
          (row) =>
            row && { notice: { type: 'conversation.changed', conversation: summaryOf(row) }, userId: row.userId },
        ),
    );
  }

  #spent(): void {
    for (const userId of this.#watching.keys()) this.#tell(this.#usage(userId).then((notice) => ({ notice, userId })));
  }

  async *subscribe(
    info: () => ServerInfo,
    userId: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ data: ServerNotice }[]> {
    this.#watchers++;
    this.#watching.set(userId, (this.#watching.get(userId) ?? 0) + 1);
    try {
      // Listening starts before the first message, so that nothing falls between the two.
      const notices = on(this.#emitter, 'notice', { signal });
      yield [{ data: { type: 'hello', info: info() } }];
      yield [{ data: await this.#usage(userId) }];
      for await (const [notice, whose] of notices) if (whose === null || whose === userId) yield [{ data: notice }];
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#watchers--;
      const left = (this.#watching.get(userId) ?? 0) - 1;
      if (left > 0) this.#watching.set(userId, left);
      else this.#watching.delete(userId);
    }
  }

  async #usage(userId: string): Promise<ServerNotice> {
    return { type: 'usage.changed', today: await this.#store.ledger.usageSince(startOfDay(), userId) };
  }

  #tell(addressed: Promise<{ notice: ServerNotice; userId: string } | null>): void {
    addressed.then(
      (ready) => ready && this.#emitter.emit('notice', ready.notice, ready.userId),
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
