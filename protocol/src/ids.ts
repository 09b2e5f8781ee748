import * as z from 'zod';

/** An id, made by the creator of the resource so that a retry is idempotent. In practice a UUID. */
export const Id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected an id of 1 to 64 letters, digits, - or _');

/** SHA-256 in hex: the address of a stored blob. */
export const BlobHash = z.string().regex(/^[0-9a-f]{64}$/);

/** Media types of images that the Messages API accepts. */
export const ImageMediaType = z.enum(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
