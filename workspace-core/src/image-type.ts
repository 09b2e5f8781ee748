import type { ImageMediaType } from '@devlm/protocol/ids.ts';

/** An image type that the Messages API accepts. */
export type ImageType = (typeof ImageMediaType.options)[number];

/** Tests of the first 12 bytes of a file, as Latin-1, for each image type. */
const signatures: readonly (readonly [type: ImageType, fits: (head: string) => boolean])[] = [
  ['image/png', (head) => head.startsWith('\x89PNG\r\n\x1a\n')],
  ['image/jpeg', (head) => head.startsWith('\xff\xd8\xff')],
  ['image/gif', (head) => head.startsWith('GIF87a') || head.startsWith('GIF89a')],
  ['image/webp', (head) => head.startsWith('RIFF') && head.slice(8) === 'WEBP'],
];

/** Returns the type of an image that the Messages API accepts, by its first bytes, or undefined. */
export function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  return signatures.find(([, fits]) => fits(head))?.[0];
}
