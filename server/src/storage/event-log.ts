import { setImmediate } from 'node:timers/promises';
import type { Event } from '@devlm/protocol/events.ts';
import type { AppendOptions, NewEvent } from './ports/events.ts';
import type { Fanout } from './ports/fanout.ts';
import type { Store } from './ports/store.ts';

/** Events that wait for one slow reader; beyond that they are read from the store again. */
const bufferedEvents = 1_000;
/** Events read from the store at once. */
const batchEvents = 500;
/**
 * How often it is looked what other nodes have appended to the conversations that are followed here, milliseconds, in
 * one query. They say so themselves, which is quicker, where they can.
 */
const lookMs = 1_000;

export type AppendListener = (conversationId: string, events: readonly Event[]) => void;

type Prepare = (conversationId: string, events: readonly NewEvent[]) => Promise<readonly NewEvent[]>;

/** One reader of one conversation. */
interface Reader {
  waiting: Event[];
  /** It fell behind: what it missed is in the store. */
  behind: boolean;
  wake: () => void;
}

/** A conversation that somebody follows on this node. */
interface Followed {
  readonly readers: Set<Reader>;
  readonly listeners: Set<AppendListener>;
  /** The last event that was published here; undefined until it is known. */
  last: number | undefined;
  /** Resolves when it is known. */
  ready: Promise<unknown>;
  /** Somebody is about to read what other nodes appended. */
  reading: boolean;
}

export interface EventLogOptions {
  /** Is given all events before they are stored: what it answers is stored in their place. */
  readonly prepare?: Prepare;
  /** Tells other nodes of appends, and this one of theirs. */
  readonly fanout?: Fanout;
}

/**
 * The event log of all conversations: append, then publish. Where other nodes append to the same store, what they
 * append is read from there, so that every follower hears everything once and in order.
 */
export class EventLog implements Disposable {
  readonly #store: Store;
  readonly #prepare: Prepare;
  readonly #fanout: Fanout | undefined;
  readonly #hearing: Disposable | undefined;
  readonly #followed = new Map<string, Followed>();
  #looking: NodeJS.Timeout | undefined;
  readonly #listeners = new Set<AppendListener>();
  /** By conversation, the append that is under way and all that wait for it. */
  readonly #appends = new Map<string, Promise<unknown>>();

  constructor(store: Store, { prepare = async (_, events) => events, fanout }: EventLogOptions = {}) {
    this.#store = store;
    this.#prepare = prepare;
    this.#fanout = fanout;
    this.#hearing = fanout?.onMessage((message) => {
      if (message.kind === 'appended') this.#catchUp(message.conversationId);
    });
  }

  /**
   * Stores the events, then hands them to every reader. Those of one conversation are published
   * in the order of their `seq`.
   * @throws what `Store.append` throws; nothing is published then
   */
  append(conversationId: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Event[]> {
    return this.#inTurn(conversationId, async () => {
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
   * Every event with `seq > after`, in order, each once: first those that are stored, in batches,
   * then the others as they are appended. Ends without an error when the signal aborts.
   */
  async *subscribe(conversationId: string, after: number, signal: AbortSignal): AsyncGenerator<Event[], void, void> {
    const reader: Reader = { waiting: [], behind: false, wake: () => undefined };
    const wake = () => reader.wake();
    signal.addEventListener('abort', wake);
    const followed = this.#follow(conversationId);
    followed.readers.add(reader);
    let last = after;
    try {
      await followed.ready;
      while (!signal.aborted) {
        // What is appended from here on waits, so nothing falls between the store and the live events.
        reader.waiting = [];
        reader.behind = false;
        for (;;) {
          const batch = await this.#store.events.read(conversationId, last, batchEvents);
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
          else {
            await this.#next(reader, signal);
            // What is appended in one go is one batch, and work that led to it goes on before its readers.
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

  /** Calls the listener with everything that is appended to a conversation from here on, in order, by whichever node. */
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

  /** Calls the listener after every append of this node to any conversation. It must not throw. */
  onAppend(listener: AppendListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#hearing?.[Symbol.dispose]();
    clearInterval(this.#looking);
  }

  /** One after the other in a conversation. */
  #inTurn<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#appends.get(conversationId) ?? Promise.resolve();
    const done = before.then(work);
    // Those behind it wait for its end, however it ends.
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
        reader.behind = reader.waiting.length + events.length > bufferedEvents;
        if (reader.behind) reader.waiting = [];
        else reader.waiting.push(...events);
      }
      reader.wake();
    }
    for (const listener of followed.listeners) listener(conversationId, events);
  }

  /** Publishes what other nodes have appended, as far as it comes before an event. */
  async #publishBefore(conversationId: string, seq: number): Promise<void> {
    for (;;) {
      const last = this.#followed.get(conversationId)?.last;
      if (last === undefined || last >= seq - 1) return;
      const events = await this.#store.events.read(conversationId, last, Math.min(batchEvents, seq - 1 - last));
      if (events.length === 0) return;
      this.#publish(conversationId, events);
    }
  }

  /** Another node has appended something. Calls that come before it is read are one. */
  #catchUp(conversationId: string): void {
    const followed = this.#followed.get(conversationId);
    if (!followed || followed.reading) return;
    followed.reading = true;
    this.#inTurn(conversationId, () => {
      followed.reading = false;
      return this.#publishBefore(conversationId, Number.MAX_SAFE_INTEGER);
    }).catch(() => undefined); // It is looked for again.
  }

  async #look(): Promise<void> {
    const seqs = await this.#store.events.lastSeqs([...this.#followed.keys()]);
    for (const [id, seq] of seqs) if (seq > (this.#followed.get(id)?.last ?? seq)) this.#catchUp(id);
  }

  #next(reader: Reader, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      reader.wake = resolve;
      if (signal.aborted || reader.behind || reader.waiting.length > 0) resolve();
    });
  }

  #follow(conversationId: string): Followed {
    const known = this.#followed.get(conversationId);
    if (known) return known;
    const ready = this.#store.conversations.get(conversationId).then((row) => {
      followed.last ??= row?.lastSeq ?? 0;
    });
    const followed: Followed = { readers: new Set(), listeners: new Set(), last: undefined, ready, reading: false };
    this.#followed.set(conversationId, followed);
    // A file has one server.
    if (this.#store.kind !== 'sqlite')
      this.#looking ??= setInterval(() => void this.#look().catch(() => undefined), lookMs).unref();
    return followed;
  }

  #unfollow(conversationId: string, followed: Followed): void {
    if (followed.readers.size + followed.listeners.size > 0) return;
    if (this.#followed.get(conversationId) === followed) this.#followed.delete(conversationId);
    if (this.#followed.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}
