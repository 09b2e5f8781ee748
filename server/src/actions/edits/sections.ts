import { bare, type Lines, lead, lineCount, lineText } from './lines.ts';
import { type Refusal, refuse } from './refusal.ts';

/** A range of lines, 0-based, from `from` (inclusive) to `to` (exclusive). */
export type Section = readonly [from: number, to: number];

/** Maximum number of characters of an `@@` line that a message shows. */
const maxShownChars = 80;
/** Maximum number of places of an `@@` line. A more common line does not identify a place. */
const maxSections = 20;

/**
 * Returns the parts of a text that `@@` lines name, each within those of the line before. A part starts with the named
 * line and continues while lines are indented deeper. If none is, it extends to the next line that starts with the same
 * sign (`#`, `[`), or to the end of the paragraph. If in doubt the part is narrow, because an edit that is outside of
 * it is refused.
 */
export function sectionsOf(lines: Lines, names: readonly string[]): Section[] | Refusal {
  let sections: Section[] = [[0, lineCount(lines)]];
  for (const name of names) {
    const exact = inside(lines, sections, (line) => line.trimEnd() === name.trimEnd());
    sections = exact.length > 0 ? exact : inside(lines, sections, (line) => bare(line) === bare(name));
    if (sections.length > maxSections)
      return refuse(
        'ambiguous',
        `The line "${name.slice(0, maxShownChars)}" of "@@" occurs more than ${maxSections} times.`,
      );
    if (sections.length === 0)
      return refuse(
        'not-found',
        `The "@@" line names "${name.slice(0, maxShownChars)}", but the file has no such line.`,
      );
  }
  return sections;
}

function inside(lines: Lines, sections: readonly Section[], isNamed: (line: string) => boolean): Section[] {
  const found: Section[] = [];
  let done = 0;
  for (const [from, to] of sections) {
    for (let line = Math.max(from, done); line < to; line++) {
      if (found.length <= maxSections && isNamed(lineText(lines, line)))
        found.push([line, Math.min(to, sectionEnd(lines, line, to))]);
    }
    done = Math.max(done, to);
  }
  return found;
}

function sectionEnd(lines: Lines, line: number, bound: number): number {
  const name = lineText(lines, line);
  const depth = lead(name).length;
  const continues = (at: number) => {
    const text = lineText(lines, at);
    return bare(text) === '' || lead(text).length > depth || /^[)\]{]/.test(bare(text));
  };
  let end = line + 1;
  while (end < bound && continues(end)) end++;
  for (let at = line + 1; at < end; at++) if (lead(lineText(lines, at)).length > depth) return end;
  const sign = bare(name)[0] ?? '';
  const isFlatEnd = /\w/.test(sign)
    ? (text: string) => bare(text) === ''
    : (text: string) => bare(text).startsWith(sign) && lead(text).length <= depth;
  end = line + 1;
  while (end < bound && !isFlatEnd(lineText(lines, end))) end++;
  return end;
}
