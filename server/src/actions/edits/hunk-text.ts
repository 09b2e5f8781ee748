import type { Refusal } from './refusal.ts';

/** Returns a refusal of a line of a patch. @param index 0-based index of the line */
export type RefuseLine = (index: number, why: string) => Refusal;

/** Collects the lines of a hunk into the text before and after it. */
export class HunkText {
  before = '';
  after = '';

  /**
   * Adds a line. Returns false if it has no mark. An empty line counts as a context line that lost its leading space.
   */
  add(line: string): boolean {
    if (!/^[-+ ]/.test(line) && line !== '') return false;
    if (!line.startsWith('+')) this.before += `${line.slice(1)}\n`;
    if (!line.startsWith('-')) this.after += `${line.slice(1)}\n`;
    return true;
  }

  /** Removes the line end of the line added last, which has this mark. */
  endWithout(mark: string): void {
    if (mark !== '+') this.before = this.before.slice(0, -1);
    if (mark !== '-') this.after = this.after.slice(0, -1);
  }
}
