import { setImmediate } from 'node:timers/promises';
import type { Event } from '@devlm/protocol/events.ts';
import type { AppendOptions, NewEvent } from './ports/events.ts';
import type { Fanout } from './ports/fanout.ts';
import type { Store } from './ports/store.ts';

/** Maximum number of events buffered for one slow reader. A reader beyond it reads from the store again. */
const maxBufferedEvents = 1_000;
/** Number of events read from the store at once. */
const readBatchEvents = 500;
/**
 * Interval at which events appended by other nodes are polled, in milliseconds. One query covers all followed
 * conversations. Messages of the fanout arrive sooner, but may be lost.
 */
const pollIntervalMs = 1_000;

/** Callback that receives the events appended to one conversation, in order. */
export type AppendListener = (conversationId: string, events: readonly Event[]) => void;

type Prepare = (conversationId: string, events: readonly NewEvent[]) => Promise<readonly NewEvent[]>;

/** A reader of one conversation. */
interface EventReader {
  waiting: Event[];
  /** Whether the buffer overflowed. The reader then reads the missed events from the store. */
  behind: boolean;
  wake: () => void;
}

/** A conversation with readers or listeners on this node. */
interface Followed {
  readonly readers: Set<EventReader>;
  readonly listeners: Set<AppendListener>;
  /** Sequence number of the last event published here; undefined until it has been read from the store. */
  last: number | undefined;
  /** Resolves when `last` is known. */
  ready: Promise<unknown>;
  /** Whether a read of the events of other nodes is already queued. */
  reading: boolean;
}

/** Options of `EventLog`. */
export interface EventLogOptions {
  /** Transforms events before they are stored. Default: they are stored as they are. */
  readonly prepare?: Prepare;
  /** Notifies other nodes of appends on this node, and this node of appends on other nodes. Default: none. */
  readonly fanout?: Fanout;
}

/**
 * The event log of all conversations: appends events, then publishes them. Events that other nodes append to the same
 * store are read from there, so that every follower receives each event once and in order.
 */
export class EventLog implements Disposable {
  readonly #store: Store;
  readonly #prepare: Prepare;
  readonly #fanout: Fanout | undefined;
  readonly #fanoutSubscription: Disposable | undefined;
  readonly #followed = new Map<string, Followed>();
  #pollTimer: NodeJS.Timeout | undefined;
  readonly #listeners = new Set<AppendListener>();
  /** Tail of the queue of appends of each conversation, by conversation id. It settles when all of them have ended. */
  readonly #appends = new Map<string, Promise<unknown>>();

  constructor(store: Store, { prepare = async (_, events) => events, fanout }: EventLogOptions = {}) {
    this.#store = store;
    this.#prepare = prepare;
    this.#fanout = fanout;
    this.#fanoutSubscription = fanout?.onMessage((message) => {
      if (message.kind === 'appended') this.#catchUp(message.conversationId);
    });
  }

  /**
   * Stores events, then passes them to every reader. Events of one conversation are published in the order of their
   * `seq`.
   * @throws the errors of `Store.events.append`; no event is published then
   */
  append(conversationId: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Event[]> {
    return this.#serialize(conversationId, async () => {
      const prepared = await this.#prepare(conversationId, events);
      const stored = await this.#store.events.append(conversationId, prepared, options);
      const [first] = stored;
      if (!first) return stored;
      await this.#publishBefore(conversationId, first.seq);
      this.#publish(conversationId, stored);
      for (const listener of this.#listeners) listener(conversationId, stored);
      this.#fanout?.publish({ kind: 'appended', conversationId });
      return stored;
    });
  }

  /**
   * Yields every event with `seq > after` once and in order: the stored events in batches, then new ones as they are
   * appended. Ends without an error when the signal aborts.
   */
  async *subscribe(conversationId: string, after: number, signal: AbortSignal): AsyncGenerator<Event[], void, void> {
    const reader: EventReader = { waiting: [], behind: false, wake: () => undefined };
    const wake = () => reader.wake();
    signal.addEventListener('abort', wake);
    const followed = this.#follow(conversationId);
    followed.readers.add(reader);
    let last = after;
    try {
      await followed.ready;
      while (!signal.aborted) {
        // Events appended from here on are buffered, so that none is lost between the stored and the live events.
        reader.waiting = [];
        reader.behind = false;
        for (;;) {
          const batch = await this.#store.events.read(conversationId, last, readBatchEvents);
          if (signal.aborted) return;
          last = batch.at(-1)?.seq ?? last;
          if (batch.length > 0) yield batch;
          if (batch.length < readBatchEvents) break;
        }
        while (!signal.aborted && !reader.behind) {
          const fresh = reader.waiting.filter((event) => event.seq > last);
          reader.waiting = [];
          const [first] = fresh;
          if (first && first.seq !== last + 1) break; // Another process appended, or the append bypassed this log.
          last = fresh.at(-1)?.seq ?? last;
          if (fresh.length > 0) yield fresh;
          else {
            await this.#waitForEvents(reader, signal);
            // Events appended in one go become one batch, and the work that appended them runs before its readers.
            await setImmediate();
          }
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
      followed.readers.delete(reader);
      this.#unfollow(conversationId, followed);
    }
  }

  /** Calls the listener with all events that any node appends to a conversation from now on, in order. */
  async follow(conversationId: string, listener: AppendListener): Promise<Disposable> {
    const followed = this.#follow(conversationId);
    followed.listeners.add(listener);
    const end = () => {
      followed.listeners.delete(listener);
      this.#unfollow(conversationId, followed);
    };
    try {
      await followed.ready;
    } catch (error) {
      end();
      throw error;
    }
    return { [Symbol.dispose]: end };
  }

  /** Calls the listener after every append of this node to any conversation. The listener must not throw. */
  onAppend(listener: AppendListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Stops listening to and polling for other nodes. */
  [Symbol.dispose](): void {
    this.#fanoutSubscription?.[Symbol.dispose]();
    clearInterval(this.#pollTimer);
  }

  /** Runs the work after all earlier work on the same conversation has ended. */
  #serialize<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#appends.get(conversationId) ?? Promise.resolve();
    const done = before.then(work);
    // Later work waits until this work ends, whether it succeeds or fails.
    const settled = done
      .catch(() => undefined)
      .finally(() => {
        if (this.#appends.get(conversationId) === settled) this.#appends.delete(conversationId);
      });
    this.#appends.set(conversationId, settled);
    return done;
  }

  #publish(conversationId: string, events: readonly Event[]): void {
    const followed = this.#followed.get(conversationId);
    if (!followed) return;
    followed.last = events.at(-1)?.seq ?? followed.last;
    for (const reader of followed.readers) {
      if (!reader.behind) {
        reader.behind = reader.waiting.length + events.length > maxBufferedEvents;
        if (reader.behind) reader.waiting = [];
        else reader.waiting.push(...events);
      }
      reader.wake();
    }
    for (const listener of followed.listeners) listener(conversationId, events);
  }

  /** Publishes the events appended by other nodes whose sequence number is below `seq`. */
  async #publishBefore(conversationId: string, seq: number): Promise<void> {
    for (;;) {
      const last = this.#followed.get(conversationId)?.last;
      if (last === undefined || last >= seq - 1) return;
      const events = await this.#store.events.read(conversationId, last, Math.min(readBatchEvents, seq - 1 - last));
      if (events.length === 0) return;
      this.#publish(conversationId, events);
    }
  }

  /** Publishes what another node has appended. Calls made before the read starts are combined into one. */
  #catchUp(conversationId: string): void {
    const followed = this.#followed.get(conversationId);
    if (!followed || followed.reading) return;
    followed.reading = true;
    this.#serialize(conversationId, () => {
      followed.reading = false;
      return this.#publishBefore(conversationId, Number.MAX_SAFE_INTEGER);
    }).catch(() => undefined); // The next poll tries again.
  }

  async #pollOtherNodes(): Promise<void> {
    const seqs = await this.#store.events.lastSeqs([...this.#followed.keys()]);
    for (const [id, seq] of seqs) if (seq > (this.#followed.get(id)?.last ?? seq)) this.#catchUp(id);
  }

  #waitForEvents(reader: EventReader, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      reader.wake = resolve;
      if (signal.aborted || reader.behind || reader.waiting.length > 0) resolve();
    });
  }

  #follow(conversationId: string): Followed {
    const existing = this.#followed.get(conversationId);
    if (existing) return existing;
    const ready = this.#store.conversations.get(conversationId).then((row) => {
      followed.last ??= row?.lastSeq ?? 0;
    });
    const followed: Followed = { readers: new Set(), listeners: new Set(), last: undefined, ready, reading: false };
    this.#followed.set(conversationId, followed);
    // An SQLite database has only one server.
    if (this.#store.kind !== 'sqlite')
      this.#pollTimer ??= setInterval(() => void this.#pollOtherNodes().catch(() => undefined), pollIntervalMs).unref();
    return followed;
  }

  #unfollow(conversationId: string, followed: Followed): void {
    if (followed.readers.size + followed.listeners.size > 0) return;
    if (this.#followed.get(conversationId) === followed) this.#followed.delete(conversationId);
    if (this.#followed.size > 0) return;
    clearInterval(this.#pollTimer);
    this.#pollTimer = undefined;
  }
}
