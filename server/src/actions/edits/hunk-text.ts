import type { Refusal } from './refusal.ts';

/** A refusal of a line of a patch, by its index. */
export type Bad = (index: number, why: string) => Refusal;

/** The lines of a hunk as the text before and after. */
export class HunkText {
  before = '';
  after = '';

  /** False for a line that has no mark. A line without any character is a blank one whose space was lost. */
  add(line: string): boolean {
    if (!/^[-+ ]/.test(line) && line !== '') return false;
    if (!line.startsWith('+')) this.before += `${line.slice(1)}\n`;
    if (!line.startsWith('-')) this.after += `${line.slice(1)}\n`;
    return true;
  }

  /** The line added last, with this mark, has no line end. */
  endWithout(mark: string): void {
    if (mark !== '+') this.before = this.before.slice(0, -1);
    if (mark !== '-') this.after = this.after.slice(0, -1);
  }
}
