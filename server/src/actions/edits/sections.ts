import { bare, type Lines, lead, lineCount, lineText } from './lines.ts';
import { type Refusal, refuse } from './refusal.ts';

/** Lines from (inclusive) and to (exclusive), 0-based. */
export type Section = readonly [from: number, to: number];

const shownContext = 80;
/** Places of one `@@` line; a line more common than this names nothing. */
const mostPlaces = 20;

/**
 * The parts of a text that `@@` lines name, each within those of the one before. A part starts with the line
 * itself and goes on while lines are indented deeper; where none is, to the next line that starts with the
 * same sign (`#`, `[`), or to the end of the paragraph. Narrow rather than wide: what lies outside is refused.
 */
export function sectionsOf(lines: Lines, names: readonly string[]): Section[] | Refusal {
  let sections: Section[] = [[0, lineCount(lines)]];
  for (const name of names) {
    const exact = inside(lines, sections, (line) => line.trimEnd() === name.trimEnd());
    sections = exact.length > 0 ? exact : inside(lines, sections, (line) => bare(line) === bare(name));
    if (sections.length > mostPlaces)
      return refuse(
        'ambiguous',
        `The line "${name.slice(0, shownContext)}" of "@@" is there over ${mostPlaces} times.`,
      );
    if (sections.length === 0)
      return refuse('not-found', `There is no line "${name.slice(0, shownContext)}", which the "@@" line names.`);
  }
  return sections;
}

function inside(lines: Lines, sections: readonly Section[], isNamed: (line: string) => boolean): Section[] {
  const found: Section[] = [];
  let done = 0;
  for (const [from, to] of sections) {
    for (let line = Math.max(from, done); line < to; line++) {
      if (found.length <= mostPlaces && isNamed(lineText(lines, line)))
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
