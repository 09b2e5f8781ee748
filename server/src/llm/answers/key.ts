import { createHash } from 'node:crypto';
import * as z from 'zod';

/** Bodies beyond this are asked anew: to take one apart costs more than it saves. */
const comparedBytes = 4 * 1024 * 1024;
/** What does not change the answer: https://platform.claude.com/docs/en/api/messages */
const meaningless = ['metadata', 'service_tier'];

const Body = z.looseObject({
  temperature: z.number().optional(),
  messages: z.array(z.unknown()),
});

/** What the caller says in `x-devlm-cache`; absent: only answers that would be the same anyway. */
export const CacheWish = z.enum(['use', 'off']).optional().catch(undefined);
/** A caller's wish about kept answers. */
export type CacheWish = z.infer<typeof CacheWish>;

/**
 * The key of a request whose answer may be given again: all that it says, in one order of its members, with the
 * headers that change what it means. Null where each answer is its own: when no temperature of 0 is asked for, and
 * the caller does not wish it either.
 *
 * @param owner who may get it again
 * @param about path, version and beta features
 */
export function answerKey(body: Buffer, wish: CacheWish, owner: string, about: readonly string[]): string | null {
  if (wish === 'off' || body.length > comparedBytes) return null;
  const parsed = Body.safeParse(parse(body)).data;
  if (!parsed || (wish === undefined && parsed.temperature !== 0)) return null;
  for (const name of meaningless) delete parsed[name];
  return createHash('sha256')
    .update(canonical([owner, ...about, parsed]))
    .digest('base64url');
}

/** JSON with the members of each object in one order, whatever theirs was. */
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
