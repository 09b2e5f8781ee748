import { LRUCache } from 'lru-cache';
import { type Cache, cacheBounds } from '../ports/cache.ts';

/** What an entry takes beside its key and value, bytes, about. */
const entryBytes = 200;

/** A cache in this process, of so many bytes; what was used longest ago goes first. */
export class MemoryCache implements Cache {
  readonly #entries: LRUCache<string, Uint8Array>;

  /** @param bytes of all keys and values */
  constructor(bytes: number = cacheBounds.memoryBytes) {
    this.#entries = new LRUCache({
      maxSize: bytes,
      maxEntrySize: cacheBounds.valueBytes + 4096,
      sizeCalculation: (value, key) => value.byteLength + 2 * key.length + entryBytes,
    });
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#entries.get(key);
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    if (value.byteLength > cacheBounds.valueBytes) this.#entries.delete(key);
    // A copy: a small view must not hold on to the large buffer that it is cut from.
    else this.#entries.set(key, new Uint8Array(value), { ttl: ttlMs });
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }
}
