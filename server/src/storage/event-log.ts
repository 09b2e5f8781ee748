import type { Event } from '@devlm/protocol/events.ts';
import type { NewEvent, Store } from './store.ts';

/** Events that wait for one slow reader; beyond that they are read from the store again. */
const bufferedEvents = 1_000;
/** Events read from the store at once. */
const batchEvents = 500;

export type AppendListener = (conversationId: string, events: readonly Event[]) => void;

/** One reader of one conversation. */
interface Reader {
  waiting: Event[];
  /** It fell behind: what it missed is in the store. */
  behind: boolean;
  wake: () => void;
}

/** The event log of all conversations: append, then publish. */
export class EventLog {
  readonly #store: Store;
  readonly #readers = new Map<string, Set<Reader>>();
  readonly #listeners = new Set<AppendListener>();
  /** By conversation, the append that is under way and all that wait for it. */
  readonly #appends = new Map<string, Promise<unknown>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Stores the events, then hands them to every reader. Those of one conversation are published
   * in the order of their `seq`.
   * @throws what `Store.append` throws; nothing is published then
   */
  append(conversationId: string, events: readonly NewEvent[]): Promise<Event[]> {
    const before = this.#appends.get(conversationId) ?? Promise.resolve();
    const appended = before.then(async () => {
      const stored = await this.#store.append(conversationId, events);
      if (stored.length > 0) this.#publish(conversationId, stored);
      return stored;
    });
    // Those behind it wait for its end, however it ends.
    const settled = appended
      .catch(() => undefined)
      .finally(() => {
        if (this.#appends.get(conversationId) === settled) this.#appends.delete(conversationId);
      });
    this.#appends.set(conversationId, settled);
    return appended;
  }

  /**
   * Every event with `seq > after`, in order, each once: first those that are stored, in batches,
   * then the others as they are appended. Ends without an error when the signal aborts.
   */
  async *subscribe(conversationId: string, after: number, signal: AbortSignal): AsyncGenerator<Event[], void, void> {
    const reader: Reader = { waiting: [], behind: false, wake: () => undefined };
    const wake = () => reader.wake();
    signal.addEventListener('abort', wake);
    this.#add(conversationId, reader);
    let last = after;
    try {
      while (!signal.aborted) {
        // What is appended from here on waits, so nothing falls between the store and the live events.
        reader.waiting = [];
        reader.behind = false;
        for (;;) {
          const batch = await this.#store.events(conversationId, last, batchEvents);
          if (signal.aborted) return;
          last = batch.at(-1)?.seq ?? last;
          if (batch.length > 0) yield batch;
          if (batch.length < batchEvents) break;
        }
        while (!signal.aborted && !reader.behind) {
          const fresh = reader.waiting.filter((event) => event.seq > last);
          reader.waiting = [];
          const [first] = fresh;
          if (first && first.seq !== last + 1) break; // Written by another process, or not through this log.
          last = fresh.at(-1)?.seq ?? last;
          if (fresh.length > 0) yield fresh;
          else await this.#next(reader, signal);
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#remove(conversationId, reader);
    }
  }

  /** Calls the listener after every append to any conversation. It must not throw. */
  onAppend(listener: AppendListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #publish(conversationId: string, events: readonly Event[]): void {
    for (const reader of this.#readers.get(conversationId) ?? []) {
      if (!reader.behind) {
        reader.behind = reader.waiting.length + events.length > bufferedEvents;
        if (reader.behind) reader.waiting = [];
        else reader.waiting.push(...events);
      }
      reader.wake();
    }
    for (const listener of this.#listeners) listener(conversationId, events);
  }

  #next(reader: Reader, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      reader.wake = resolve;
      if (signal.aborted || reader.behind || reader.waiting.length > 0) resolve();
    });
  }

  #add(conversationId: string, reader: Reader): void {
    const readers = this.#readers.get(conversationId) ?? new Set();
    this.#readers.set(conversationId, readers.add(reader));
  }

  #remove(conversationId: string, reader: Reader): void {
    const readers = this.#readers.get(conversationId);
    readers?.delete(reader);
    if (readers?.size === 0) this.#readers.delete(conversationId);
  }
}
