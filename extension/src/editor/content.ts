import type { NewAttachment } from '@devlm/protocol/events.ts';

type ImageType = Extract<NewAttachment, { kind: 'image' }>['mediaType'];

/** The kind of content of a file. */
export type Content =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly mediaType: ImageType }
  | { readonly kind: 'binary' };

/** Returns the kind of content, determined by the bytes alone and not by the file name. */
export function contentOf(bytes: Uint8Array): Content {
  const mediaType = imageTypeOf(bytes);
  if (mediaType) return { kind: 'image', mediaType };
  if (bytes.subarray(0, 8192).includes(0)) return { kind: 'binary' };
  try {
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { kind: 'binary' };
  }
}

/** Returns the image type by its signature, for the types that the Messages API supports. */
function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'image/gif';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'image/webp';
  return undefined;
}
