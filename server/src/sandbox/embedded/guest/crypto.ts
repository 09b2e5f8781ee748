import { Buffer, wrap } from './buffer.ts';
import { exact, host, toData } from './host.ts';

/* The part of `node:crypto` that the host can provide: random numbers and hashes. */

export function randomBytes(count: number): Buffer {
  const whole = Buffer.alloc(count);
  for (let at = 0; at < count; at += 65_536) whole.set(new Uint8Array(host.random(Math.min(65_536, count - at))), at);
  return whole;
}
export function randomInt(first: number, second?: number): number {
  const [low, high] = second === undefined ? [0, first] : [first, second];
  return low + (randomBytes(6).reduce((sum, byte) => sum * 256 + byte, 0) % (high - low));
}
export function randomUUID(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 15) | 64;
  bytes[8] = ((bytes[8] ?? 0) & 63) | 128;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
export function getRandomValues<T extends Uint8Array>(target: T): T {
  target.set(randomBytes(target.length));
  return target;
}

class Hash {
  readonly #algorithm: string;
  readonly #pieces: Uint8Array[] = [];
  constructor(algorithm: string) {
    this.#algorithm = algorithm;
  }
  update(data: unknown): this {
    const piece = toData(data);
    this.#pieces.push(typeof piece === 'string' ? Buffer.from(piece) : new Uint8Array(piece));
    return this;
  }
  digest(encoding?: BufferEncoding): string | Buffer {
    const found = wrap(new Uint8Array(host.hash(this.#algorithm, exact(Buffer.concat(this.#pieces)))));
    return encoding ? found.toString(encoding) : found;
  }
}
export const createHash = (algorithm: string): Hash => new Hash(algorithm);
export const timingSafeEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
export const webcrypto = { randomUUID, getRandomValues };
export default { randomBytes, randomInt, randomUUID, getRandomValues, createHash, timingSafeEqual, webcrypto };
