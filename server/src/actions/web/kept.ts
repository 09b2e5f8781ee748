/** How much is kept of what was fetched, and for how long. */
export interface KeptBounds {
  readonly entries: number;
  /** All entries together, in the unit of `set`'s weight. */
  readonly weight: number;
  readonly ms: number;
}

/** Values that are worth keeping for some minutes: the ones used longest ago go first. */
export class Kept<V> {
  readonly #bounds: KeptBounds;
  readonly #entries = new Map<string, { readonly value: V; readonly weight: number; readonly until: number }>();
  #weight = 0;

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (performance.now() >= entry.until) {
      this.#weight -= entry.weight;
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** A value heavier than all bounds is not kept. */
  set(key: string, value: V, weight = 1): void {
    const old = this.#entries.get(key);
    if (old) {
      this.#entries.delete(key);
      this.#weight -= old.weight;
    }
    if (weight > this.#bounds.weight) return;
    this.#entries.set(key, { value, weight, until: performance.now() + this.#bounds.ms });
    this.#weight += weight;
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#bounds.entries && this.#weight <= this.#bounds.weight) break;
      this.#entries.delete(oldest);
      this.#weight -= entry.weight;
    }
  }
}
