import { ImageMediaType } from '@devlm/protocol/ids.ts';
import type * as z from 'zod';

/** First bytes of the image types that the Messages API accepts, in hex. */
const signatures: Readonly<Record<z.infer<typeof ImageMediaType>, RegExp>> = {
  'image/png': /^89504e470d0a1a0a/,
  'image/jpeg': /^ffd8ff/,
  'image/gif': /^474946383[79]61/,
  'image/webp': /^52494646.{8}57454250/,
};

/** Returns the image type of bytes that the Messages API accepts, or undefined. */
export function imageTypeOf(bytes: Uint8Array): z.infer<typeof ImageMediaType> | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('hex');
  return ImageMediaType.options.find((type) => signatures[type].test(head));
}
