import { type Lines, lineCount, lineText } from './lines.ts';

/** Why an edit was refused. The code is stable; the message is worded for a model. */
export type RefusalCode =
  | 'too-large'
  | 'empty'
  | 'no-op'
  | 'not-found'
  | 'near-miss'
  | 'ambiguous'
  | 'already-applied'
  | 'indentation'
  | 'line-ends'
  | 'overlap'
  | 'malformed';

/** A refused edit: nothing was changed. `lines` are 1-based candidates in the file. */
export interface Refusal {
  ok: false;
  code: RefusalCode;
  message: string;
  lines: readonly number[];
}

/** Creates a refusal. */
export function refuse(code: RefusalCode, message: string, lines: readonly number[] = []): Refusal {
  return { ok: false, code, message, lines };
}

/** Maximum number of lines in an excerpt, and maximum length of a line, in UTF-16 code units. */
const [maxExcerptLines, maxLineLength] = [8, 200];

/** Creates a refusal for an old text that has no exact match, with the place that it seems to mean. */
export function nearMiss(lines: Lines, start: number, count: number, why: string): Refusal {
  return refuse(
    'near-miss',
    `The old text has no exact match in the file. The nearest place is line ${start + 1}, but ${why}. The file has:\n${excerpt(lines, start, count)}`,
    [start + 1],
  );
}

/** Returns the lines at a place, shortened. */
export function excerpt(lines: Lines, start: number, count: number): string {
  const last = Math.min(start + Math.min(count, maxExcerptLines), lineCount(lines));
  const shown: string[] = [];
  for (let line = start; line < last; line++) shown.push(lineText(lines, line).slice(0, maxLineLength));
  return shown.join('\n');
}
