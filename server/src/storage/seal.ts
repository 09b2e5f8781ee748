import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { storeDamaged } from './problems.ts';

/** First bytes of every sealed value. A value without them was stored before sealing existed, or without a key. */
const magic = Buffer.from('DvLMseal');
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Encryption (AES-256-GCM) of data that must be stored unchanged: contents of files, records of runs. Without a key,
 * data is stored unsealed.
 */
export class Seal {
  readonly #key: Uint8Array | undefined;

  /** @param key 32 bytes; undefined: nothing is sealed */
  constructor(key: Uint8Array | undefined) {
    this.#key = key;
  }

  /**
   * Seals data.
   * @param place identifies where the data is stored; sealed data can be opened only for the same place
   */
  close(data: Uint8Array, place: string): Uint8Array {
    if (!this.#key) return data;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(place));
    const sealed = [cipher.update(data), cipher.final()];
    return Buffer.concat([magic, nonce, cipher.getAuthTag(), ...sealed]);
  }

  /**
   * Opens sealed data. Unsealed data is returned as it is.
   * @throws ProblemError `store_damaged`
   */
  open(data: Uint8Array, place: string): Uint8Array {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (!isSealed(data)) return data;
    if (!this.#key)
      throw storeDamaged(
        'Cannot decrypt stored data because there is no data key. Set DEVLM_DATA_KEY or restore data.key.',
      );
    const headerBytes = magic.length + nonceBytes;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(magic.length, headerBytes))
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(headerBytes, headerBytes + tagBytes));
      return Buffer.concat([decipher.update(bytes.subarray(headerBytes + tagBytes)), decipher.final()]);
    } catch (error) {
      throw storeDamaged(
        'Cannot decrypt stored data because it was encrypted with a different data key or was modified. Check DEVLM_DATA_KEY and data.key.',
        error,
      );
    }
  }
}

/** Returns whether the data was sealed, with any key. */
export function isSealed(data: Uint8Array): boolean {
  return magic.equals(data.subarray(0, magic.length));
}
