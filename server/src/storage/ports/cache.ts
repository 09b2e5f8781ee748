/**
 * Cache of bytes that can be computed again. It may drop an entry at any time and never fails: a missing entry is
 * `undefined`. Implementations pass `test/contract/cache.test.ts`.
 */
export interface Cache {
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Stores a value. A value larger than `cacheBounds.valueBytes` is not stored.
   *
   * @param ttlMs time to live, in milliseconds; at least 1
   */
  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Maximum sizes of a value and of a cache in memory, in bytes. The longest model answers are about 500 kB in size. */
export const cacheBounds = { valueBytes: 2 * 1024 * 1024, memoryBytes: 64 * 1024 * 1024 } as const;
