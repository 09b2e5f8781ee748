/** What the person has unfolded, by a name of its own: it stays so when it is taken out of the page and built again. */
const unfolded = new Set<string>();
const mostKept = 500;

export function isUnfolded(key: string): boolean {
  return unfolded.has(key);
}

export function setUnfolded(key: string, open: boolean): void {
  unfolded.delete(key);
  if (open) unfolded.add(key);
  for (const oldest of unfolded) if (unfolded.size > mostKept) unfolded.delete(oldest);
}
