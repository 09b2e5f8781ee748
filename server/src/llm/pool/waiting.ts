import type { Priority } from './types.ts';

/** Of so many that are taken, one is from the background where one waits there: a batch gets on, slowly. */
const backgroundShare = 5;

interface Entry {
  readonly priority: Priority;
  /** Whose call it is: callers take turns. */
  readonly caller: string;
}

/**
 * Who waits, in two lines: a person goes before the background, which keeps a share. In each line callers take turns,
 * so that who has many calls waiting does not keep the others out.
 */
export class WaitingLine<T extends Entry> {
  readonly #lines: Readonly<Record<Priority, Turns<T>>> = { person: new Turns(), background: new Turns() };
  readonly #limit: number;
  #taken = 0;

  /** @param limit most that wait, of both kinds together */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#lines.person.size + this.#lines.background.size;
  }

  /** False: the line is full. A person is let in where the background fills it, up to the same limit again. */
  add(entry: T): boolean {
    const others = entry.priority === 'person' ? this.#lines.person.size : this.size;
    if (others >= this.#limit) return false;
    this.#lines[entry.priority].add(entry);
    return true;
  }

  /** It was served, or has left. */
  remove(entry: T, served: boolean): void {
    if (this.#lines[entry.priority].remove(entry, served) && served) this.#taken++;
  }

  /** In the order in which they are to be served. Entries may be removed meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    const { person, background } = this.#lines;
    const owed = this.#taken % backgroundShare === backgroundShare - 1;
    const [first] = owed ? background : [];
    if (first) yield first;
    yield* person;
    yield* background;
  }
}

/** One line, in which callers take turns. */
class Turns<T extends Entry> {
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
    // Who was served is the last to be served again.
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
