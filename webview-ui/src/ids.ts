/**
 * Returns a new id for a conversation or a turn. The page creates ids, so that a repeated request has no second
 * effect.
 */
export function newId(): string {
  return crypto.randomUUID();
}
