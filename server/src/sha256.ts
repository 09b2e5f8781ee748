import { createHash } from 'node:crypto';

/** Returns the SHA-256 of bytes, or of the UTF-8 bytes of a text, in hex. */
export function sha256Hex(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
