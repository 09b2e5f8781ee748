import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { storeDamaged } from './problems.ts';

/** What every sealed value begins with; one without it was stored before there was a seal, or without a key. */
const mark = Buffer.from('DvLMseal');
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Seals with AES-256-GCM what has to be stored as it is: contents of files, records of runs. Without a key
 * it is kept open.
 */
export class Seal {
  readonly #key: Uint8Array | undefined;

  /** @param key 32 bytes */
  constructor(key: Uint8Array | undefined) {
    this.#key = key;
  }

  /** @param place where it is kept: it cannot be opened at another place */
  close(data: Uint8Array, place: string): Uint8Array {
    if (!this.#key) return data;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(place));
    const sealed = [cipher.update(data), cipher.final()];
    return Buffer.concat([mark, nonce, cipher.getAuthTag(), ...sealed]);
  }

  /** @throws ProblemError `store_damaged` */
  open(data: Uint8Array, place: string): Uint8Array {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (!isSealed(data)) return data;
    if (!this.#key) throw storeDamaged('What is stored is sealed, and there is no key to open it.');
    const head = mark.length + nonceBytes;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(mark.length, head))
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(head, head + tagBytes));
      return Buffer.concat([decipher.update(bytes.subarray(head + tagBytes)), decipher.final()]);
    } catch (error) {
      throw storeDamaged(
        'What is stored was sealed with another key, or was changed. See data.key and DEVLM_DATA_KEY.',
        error,
      );
    }
  }
}

/** Whether it was sealed, with whatever key. */
export function isSealed(data: Uint8Array): boolean {
  return mark.equals(data.subarray(0, mark.length));
}
