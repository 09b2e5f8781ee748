import { type ImageType, imageTypeOf } from '@devlm/workspace-core/image-type.ts';

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
