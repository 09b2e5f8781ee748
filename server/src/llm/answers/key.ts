import { createHash } from 'node:crypto';
import * as z from 'zod';

/** Maximum size of a body that is looked up in the cache, in bytes. Parsing a larger one costs more than it saves. */
const maxBodyBytes = 4 * 1024 * 1024;
/** Members that do not change the answer: https://platform.claude.com/docs/en/api/messages */
const ignoredMembers = ['metadata', 'service_tier'];

const MessagesBody = z.looseObject({
  temperature: z.number().optional(),
  messages: z.array(z.unknown()),
});

/** Schema of the header `x-devlm-cache`. If it is absent, only deterministic answers are reused. */
export const CacheWish = z.enum(['use', 'off']).optional().catch(undefined);
/** A caller's preference about the answer cache. */
export type CacheWish = z.infer<typeof CacheWish>;

/**
 * Returns the cache key of a request: a hash of its whole body in canonical order, with the headers that change its
 * meaning. Returns null if the answer must not be reused: the body is too large, the caller turned the cache off, or it
 * asks neither for a temperature of 0 nor for the cache.
 *
 * @param owner id of the user who may receive the answer again
 * @param about path, API version and beta features of the request
 */
export function answerKey(body: Buffer, wish: CacheWish, owner: string, about: readonly string[]): string | null {
  if (wish === 'off' || body.length > maxBodyBytes) return null;
  const parsed = MessagesBody.safeParse(parse(body)).data;
  if (!parsed || (wish === undefined && parsed.temperature !== 0)) return null;
  for (const name of ignoredMembers) delete parsed[name];
  return createHash('sha256')
    .update(canonical([owner, ...about, parsed]))
    .digest('base64url');
}

/** Returns JSON with the members of each object sorted by name. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
