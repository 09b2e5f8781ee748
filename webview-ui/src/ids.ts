/** A fresh id for a conversation or a turn. Made here, so that sending again does nothing twice. */
export function newId(): string {
  return crypto.randomUUID();
}
