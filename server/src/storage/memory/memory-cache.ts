import { LRUCache } from 'lru-cache';
import { type Cache, cacheBounds } from '../ports/cache.ts';

/** Approximate memory that an entry takes in addition to its key and value, in bytes. */
const entryOverheadBytes = 200;

/** Size-bounded cache in this process. The least recently used entries are removed first. */
export class MemoryCache implements Cache {
  readonly #entries: LRUCache<string, Uint8Array>;

  /** @param bytes maximum total size of keys and values, in bytes; default: `cacheBounds.memoryBytes` */
  constructor(bytes: number = cacheBounds.memoryBytes) {
    this.#entries = new LRUCache({
      maxSize: bytes,
      maxEntrySize: cacheBounds.valueBytes + 4096,
      sizeCalculation: (value, key) => value.byteLength + 2 * key.length + entryOverheadBytes,
    });
  }

  /** Memory in use, in bytes. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#entries.get(key);
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    if (value.byteLength > cacheBounds.valueBytes) this.#entries.delete(key);
    // Copied, because a small view would keep the large buffer that it is cut from in memory.
    else this.#entries.set(key, new Uint8Array(value), { ttl: ttlMs });
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }
}
