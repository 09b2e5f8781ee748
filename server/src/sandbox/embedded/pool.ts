import type { Child } from './child.ts';

export interface PoolOptions {
  /** Starts a child for a key. */
  readonly start: (key: string) => Child;
  /** Most children that wait at one time; each takes the memory of its interpreter. */
  readonly max: number;
  /** Milliseconds after which one that nobody took is ended. */
  readonly idleMs: number;
}

/** One child for each kind of program in recent use, started before it is needed and used once. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #idle = new Map<string, { child: Child; timer: NodeJS.Timeout }>();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The waiting child, or a new one; `warm` says which. */
  take(key: string): { child: Child; warm: boolean } {
    const waiting = this.#idle.get(key);
    if (waiting) this.#remove(key);
    if (waiting?.child.alive) return { child: waiting.child, warm: waiting.child.isReady };
    return { child: this.#options.start(key), warm: false };
  }

  /** Lets one wait for the next program of this kind; the kind that has waited longest makes room. */
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
