import type { Child } from './child.ts';

/** Options of a `ChildPool`. */
export interface ChildPoolOptions {
  /** Starts a child for a key. */
  readonly start: (key: string) => Child;
  /** Maximum number of waiting children. Each takes the memory of its interpreter. */
  readonly max: number;
  /** Time after which an unused child is killed, in milliseconds. */
  readonly idleMs: number;
}

/** Pool with one started child for each recently used kind of program. Each child is used once. */
export class ChildPool {
  readonly #options: ChildPoolOptions;
  readonly #idle = new Map<string, { child: Child; timer: NodeJS.Timeout }>();
  #closed = false;

  constructor(options: ChildPoolOptions) {
    this.#options = options;
  }

  /** Returns the waiting child or a new one. `warm` says whether its interpreter is already loaded. */
  take(key: string): { child: Child; warm: boolean } {
    const waiting = this.#idle.get(key);
    if (waiting) this.#remove(key);
    if (waiting?.child.alive) return { child: waiting.child, warm: waiting.child.isReady };
    return { child: this.#options.start(key), warm: false };
  }

  /** Starts a child for the next program of this kind. If the pool is full, the oldest waiting child is killed. */
  refill(key: string): void {
    if (this.#closed || this.#options.max === 0) return;
    const waiting = this.#idle.get(key);
    if (waiting?.child.alive) return;
    if (waiting) this.#remove(key);
    while (this.#idle.size >= this.#options.max) {
      const oldest = this.#idle.keys().next().value;
      if (oldest === undefined) return;
      this.#end(oldest);
    }
    const child = this.#options.start(key);
    const timer = setTimeout(() => this.#end(key), this.#options.idleMs);
    timer.unref();
    this.#idle.set(key, { child, timer });
  }

  /** Kills all waiting children and waits for their exit. */
  async close(): Promise<void> {
    this.#closed = true;
    const children = [...this.#idle.values()].map(({ child }) => child);
    for (const key of [...this.#idle.keys()]) this.#end(key);
    await Promise.all(children.map(({ exited }) => exited));
  }

  #end(key: string): void {
    this.#idle.get(key)?.child.kill();
    this.#remove(key);
  }

  #remove(key: string): void {
    clearTimeout(this.#idle.get(key)?.timer);
    this.#idle.delete(key);
  }
}
