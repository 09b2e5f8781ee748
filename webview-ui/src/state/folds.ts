/** Keys of the elements that the user has unfolded. They stay so when they are rendered again. */
const unfolded = new Set<string>();
const maxKept = 500;

/** Returns whether an element is unfolded. */
export function isUnfolded(key: string): boolean {
  return unfolded.has(key);
}

/** Stores whether an element is unfolded. */
export function setUnfolded(key: string, open: boolean): void {
  unfolded.delete(key);
  if (open) unfolded.add(key);
  for (const oldest of unfolded) if (unfolded.size > maxKept) unfolded.delete(oldest);
}
