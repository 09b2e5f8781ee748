import { ProblemError } from '@devlm/protocol/problem.ts';

/** A waiting entry of the queue. */
interface Waiting {
  readonly start: (admitted: boolean) => void;
  readonly moved: (before: number) => void;
}

/** Options of a `FairQueue`. */
export interface FairQueueOptions {
  /** Maximum number of concurrent runs. */
  readonly concurrency: number;
  /** Maximum number of waiting runs. */
  readonly waiting: number;
}

/**
 * Queue that limits concurrency and admits the waiting runs of different users in turn. A user who submits a hundred
 * programs delays only their own programs.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  /** Waiting entries by user. The user whose turn is next comes first; no list is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #running = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** Number of running entries. */
  get running(): number {
    return this.#running;
  }

  /** Number of waiting entries. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /**
   * Checks whether another run could start or wait.
   * @throws ProblemError `sandbox_busy` if the queue is full
   */
  checkRoom(): void {
    const { concurrency, waiting } = this.#options;
    if (this.#running >= concurrency && this.waiting >= waiting) throw busy(this.waiting);
  }

  /**
   * Waits for a slot. Dispose of the returned slot to admit the next entry.
   * @param userId user whose turn the entry takes
   * @param onMove called with the number of entries ahead whenever it changes
   * @throws ProblemError `sandbox_busy` if the queue is full; the signal's reason if it aborts
   */
  async enter(userId: string, signal: AbortSignal, onMove: (before: number) => void = () => {}): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#running < this.#options.concurrency) {
      this.#running++;
      return this.#createSlot();
    }
    this.checkRoom();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting: Waiting = { start: resolve, moved: onMove };
    const userEntries = this.#waiting.get(userId);
    if (userEntries) userEntries.push(waiting);
    else this.#waiting.set(userId, [waiting]);
    this.#reportPositions();
    const onAbort = () => {
      this.#remove(userId, waiting);
      resolve(false);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const admitted = await promise;
    signal.removeEventListener('abort', onAbort);
    // The entry may have been admitted just before the signal aborted.
    if (signal.aborted && admitted) this.#createSlot()[Symbol.dispose]();
    signal.throwIfAborted();
    return this.#createSlot();
  }

  #createSlot(): Disposable {
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#running--;
        this.#admit();
      },
    };
  }

  #admit(): void {
    while (this.#running < this.#options.concurrency) {
      const [next] = this.#waiting;
      if (!next) return;
      const [userId, list] = next;
      const first = list.shift();
      this.#waiting.delete(userId);
      // Move the user to the end, so that other users come first.
      if (list.length > 0) this.#waiting.set(userId, list);
      if (!first) continue;
      this.#running++;
      first.start(true);
      this.#reportPositions();
    }
  }

  #remove(userId: string, waiting: Waiting): void {
    const list = this.#waiting.get(userId)?.filter((other) => other !== waiting) ?? [];
    if (list.length > 0) this.#waiting.set(userId, list);
    else this.#waiting.delete(userId);
    this.#reportPositions();
  }

  /** Reports to each entry its position in the order of admission, which takes one entry of each user in turn. */
  #reportPositions(): void {
    const lists = [...this.#waiting.values()];
    const rounds = Math.max(0, ...lists.map((list) => list.length));
    let before = 0;
    for (let round = 0; round < rounds; round++) {
      for (const list of lists) {
        const waiting = list[round];
        if (waiting) waiting.moved(before++);
      }
    }
  }
}

function busy(waiting: number): ProblemError {
  const detail = `${waiting} programs are already waiting to run. Try again in a moment.`;
  return new ProblemError(
    { code: 'sandbox_busy', status: 429, title: 'Sandbox busy', detail },
    { retryAfterMs: 2_000 },
  );
}
