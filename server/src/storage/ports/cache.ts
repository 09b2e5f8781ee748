/**
 * Bytes that can be made again, kept for a while. It may forget at any time, and never fails: what it does not have is
 * `undefined`. Implementations pass `test/contract/cache.test.ts`.
 */
export interface Cache {
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * A value beyond `cacheBounds.valueBytes` is not kept.
   *
   * @param ttlMs how long, milliseconds; at least 1
   */
  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Bytes. A value is an answer of a model, of which the longest have some 500 kB. */
export const cacheBounds = { valueBytes: 2 * 1024 * 1024, memoryBytes: 64 * 1024 * 1024 } as const;
