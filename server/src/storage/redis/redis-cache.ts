import { type Cache, cacheBounds } from '../ports/cache.ts';
import type { RedisConnection } from './connection.ts';

/** Cache that all nodes share. The eviction policy of Redis (`maxmemory-policy`) decides what is dropped when it is full. */
export class RedisCache implements Cache {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#redis.ask((client) => client.getBuffer(keyOf(key)))) ?? undefined;
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    if (value.byteLength > cacheBounds.valueBytes) return this.delete(key);
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    await this.#redis.ask((client) => client.set(keyOf(key), bytes, 'PX', Math.ceil(ttlMs)));
  }

  async delete(key: string): Promise<void> {
    await this.#redis.ask((client) => client.del(keyOf(key)));
  }
}

function keyOf(key: string): string {
  return `cache:${key}`;
}
