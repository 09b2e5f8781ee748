import type { Event, EventBody } from '@devlm/protocol/events.ts';
import { addTurns, applyEvent, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import type { ConversationState, TurnState } from '@devlm/protocol/state.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { Lease } from '../storage/ports/leases.ts';
import type { Store } from '../storage/ports/store.ts';
import { EventWriter } from './event-writer.ts';

/** A caller that waits for a change of the turn. */
interface Waiter {
  readonly matches: (turn: TurnState) => boolean;
  readonly wake: () => void;
}

/** Options of `TurnLog.open`. */
interface TurnLogOptions {
  /** Lease of the conversation. After it is lost, writes fail. */
  readonly lease?: Lease;
  /** Called with each event that is written. Must not throw. */
  readonly onWrite?: (event: EventBody) => void;
}

/**
 * The event log of a running turn. It writes the turn's events and provides the turn's state as folded from the log,
 * including events of other writers. The branch before the turn is folded once.
 */
export class TurnLog implements Disposable {
  readonly turnId: string;
  readonly #writer: EventWriter;
  #subscription: Disposable | undefined;
  readonly #waiters = new Set<Waiter>();
  #earlier: readonly TurnState[] = [];
  #state: ConversationState;
  /** Events that arrived while the branch was being read; null afterwards. */
  #earlyEvents: Event[] | null = [];
  readonly #onWrite: (event: EventBody) => void;

  private constructor(log: EventLog, conversationId: string, turnId: string, { lease, onWrite }: TurnLogOptions) {
    this.turnId = turnId;
    this.#onWrite = onWrite ?? (() => {});
    this.#state = emptyConversation(conversationId);
    this.#writer = new EventWriter((events) => log.append(conversationId, events, { lease }));
  }

  /**
   * Reads the branch that ends in the turn.
   */
  static async open(
    store: Store,
    log: EventLog,
    conversationId: string,
    turnId: string,
    options: TurnLogOptions = {},
  ): Promise<TurnLog> {
    const turnLog = new TurnLog(log, conversationId, turnId, options);
    try {
      turnLog.#subscription = await log.follow(conversationId, (_, events) => turnLog.#apply(events));
      const { turns } = await store.turns.branchOf(conversationId, turnId, Number.MAX_SAFE_INTEGER);
      const last = turns.at(-1);
      turnLog.#earlier = shownPath(
        addTurns(emptyConversation(conversationId), turns.slice(0, -1)),
        last && turns.at(-2)?.turnId,
      ).turns;
      const state = last ? addTurns(emptyConversation(conversationId), [last]) : emptyConversation(conversationId);
      turnLog.#state = { ...state, lastSeq: last?.events.at(-1)?.seq ?? 0 };
      const earlyEvents = turnLog.#earlyEvents ?? [];
      turnLog.#earlyEvents = null;
      turnLog.#apply(earlyEvents);
      return turnLog;
    } catch (error) {
      turnLog[Symbol.dispose]();
      throw error;
    }
  }

  /** The turn as folded from the log; undefined if it is not in the log. */
  get turn(): TurnState | undefined {
    return this.#state.turns[this.turnId];
  }

  /** The branch up to and including the turn, oldest first. */
  get branch(): readonly TurnState[] {
    return this.turn ? [...this.#earlier, this.turn] : this.#earlier;
  }

  /** Whether an append has failed, after which nothing more can be written. */
  get failed(): boolean {
    return this.#writer.failed;
  }

  /** Queues an event. Throws the error of an earlier failed append. */
  write(event: EventBody): void {
    this.#writer.write(event);
    this.#onWrite(event);
  }

  /** Resolves when everything written so far is stored and folded. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Waits until `find` returns a value for the turn, and returns that value. Rejects with the signal's reason. */
  async until<T>(find: (turn: TurnState) => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = this.turn && find(this.turn);
      if (found !== undefined) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter: Waiter = { matches: (turn) => find(turn) !== undefined, wake: resolve };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.wake, { once: true });
      await promise;
      signal.removeEventListener('abort', waiter.wake);
      this.#waiters.delete(waiter);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription?.[Symbol.dispose]();
  }

  #apply(events: readonly Event[]): void {
    if (this.#earlyEvents) {
      this.#earlyEvents.push(...events);
      return;
    }
    for (const event of events) {
      if ('turnId' in event && event.turnId === this.turnId) this.#state = applyEvent(this.#state, event);
    }
    const { turn } = this;
    if (turn) for (const waiter of this.#waiters) if (waiter.matches(turn)) waiter.wake();
  }
}
