import type { Priority } from './types.ts';

/** Number of served calls of which one is a background call, if any waits, so that a batch still makes progress. */
const backgroundInterval = 5;

/** What the queue has to know of a waiting call. */
interface QueuedCall {
  readonly priority: Priority;
  /** Key by which callers take turns. */
  readonly caller: string;
}

/**
 * Queue of waiting calls with two priorities: calls of users go before background calls, which keep a share. Within a
 * priority callers take turns, so that a caller with many waiting calls does not keep the others out.
 */
export class WaitingLine<T extends QueuedCall> {
  readonly #lines: Readonly<Record<Priority, CallerQueue<T>>> = {
    person: new CallerQueue(),
    background: new CallerQueue(),
  };
  readonly #limit: number;
  #servedCount = 0;

  /** @param limit maximum number of waiting calls, of both priorities together */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of waiting calls. */
  get size(): number {
    return this.#lines.person.size + this.#lines.background.size;
  }

  /**
   * Adds a call. Returns false if the queue is full. Background calls do not count against a user's call, so that up to
   * twice the limit can wait.
   */
  add(entry: T): boolean {
    const counted = entry.priority === 'person' ? this.#lines.person.size : this.size;
    if (counted >= this.#limit) return false;
    this.#lines[entry.priority].add(entry);
    return true;
  }

  /** Removes a call that was served or whose caller has left. */
  remove(entry: T, served: boolean): void {
    if (this.#lines[entry.priority].remove(entry, served) && served) this.#servedCount++;
  }

  /** Iterates over the calls in the order in which they are to be served. Calls may be removed meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    const { person, background } = this.#lines;
    const backgroundIsDue = this.#servedCount % backgroundInterval === backgroundInterval - 1;
    const [first] = backgroundIsDue ? background : [];
    if (first) yield first;
    yield* person;
    yield* background;
  }
}

/** The queue of one priority, in which callers take turns. */
class CallerQueue<T extends QueuedCall> {
  readonly #callers = new Map<string, Set<T>>();
  size = 0;

  add(entry: T): void {
    const entries = this.#callers.get(entry.caller) ?? new Set();
    this.#callers.set(entry.caller, entries.add(entry));
    this.size++;
  }

  remove(entry: T, served: boolean): boolean {
    const entries = this.#callers.get(entry.caller);
    if (!entries?.delete(entry)) return false;
    this.size--;
    // Move a caller that was served to the end.
    if (served || entries.size === 0) this.#callers.delete(entry.caller);
    if (served && entries.size > 0) this.#callers.set(entry.caller, entries);
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let left = [...this.#callers.values()].map((entries) => entries.values()); left.length > 0; ) {
      const next: typeof left = [];
      for (const entries of left) {
        const { value, done } = entries.next();
        if (done) continue;
        yield value;
        next.push(entries);
      }
      left = next;
    }
  }
}
