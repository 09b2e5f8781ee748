import { ProblemError } from '@devlm/protocol/problem.ts';

interface Waiting {
  readonly start: (admitted: boolean) => void;
  readonly moved: (before: number) => void;
}

export interface FairQueueOptions {
  /** How many run at one time. */
  readonly concurrency: number;
  /** How many may wait. */
  readonly waiting: number;
}

/**
 * Lets so many in at a time and the others wait, by turns of those who asked: whoever sends a
 * hundred programs delays their own, not another person's one.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  /** By who asked; the one whose turn is next comes first. Nobody is in it without waiting. */
  readonly #waiting = new Map<string, Waiting[]>();
  #running = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** @throws ProblemError `sandbox_busy` when one more could not even wait */
  checkRoom(): void {
    const { concurrency, waiting } = this.#options;
    if (this.#running >= concurrency && this.waiting >= waiting) throw busy(this.waiting);
  }

  /**
   * Waits for a place. Dispose of it to let the next one in.
   * @param moved is told how many are before, whenever that changes
   * @throws ProblemError `sandbox_busy` when too many wait; the signal's reason when it aborts
   */
  async enter(who: string, signal: AbortSignal, moved: (before: number) => void = () => {}): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#running < this.#options.concurrency) {
      this.#running++;
      return this.#place();
    }
    this.checkRoom();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting: Waiting = { start: resolve, moved };
    const own = this.#waiting.get(who);
    if (own) own.push(waiting);
    else this.#waiting.set(who, [waiting]);
    this.#tellAll();
    const leave = () => {
      this.#remove(who, waiting);
      resolve(false);
    };
    signal.addEventListener('abort', leave, { once: true });
    const admitted = await promise;
    signal.removeEventListener('abort', leave);
    // Who leaves may have been let in in the same moment.
    if (signal.aborted && admitted) this.#place()[Symbol.dispose]();
    signal.throwIfAborted();
    return this.#place();
  }

  #place(): Disposable {
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
      const [who, list] = next;
      const first = list.shift();
      this.#waiting.delete(who);
      // To the end: the others come first now.
      if (list.length > 0) this.#waiting.set(who, list);
      if (!first) continue;
      this.#running++;
      first.start(true);
      this.#tellAll();
    }
  }

  #remove(who: string, waiting: Waiting): void {
    const list = this.#waiting.get(who)?.filter((other) => other !== waiting) ?? [];
    if (list.length > 0) this.#waiting.set(who, list);
    else this.#waiting.delete(who);
    this.#tellAll();
  }

  /** Each is told its place in the order in which they will be let in: one of each person by turns. */
  #tellAll(): void {
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
  const detail = `${waiting} programs are waiting to run already. Try again in a moment.`;
  return new ProblemError(
    { code: 'sandbox_busy', status: 429, title: 'Sandbox busy', detail },
    { retryAfterMs: 2_000 },
  );
}
