import type { HunkPlace } from '@devlm/protocol/review.ts';

interface TextChange {
  readonly range: {
    readonly start: { readonly line: number; readonly character: number };
    readonly end: { readonly line: number };
  };
  readonly text: string;
}

/** Where differences lie after a document was edited. An edit before one moves it; one inside leaves it where it is. */
export function shifted(hunks: readonly HunkPlace[], changes: readonly TextChange[]): HunkPlace[] {
  return hunks.map((hunk) => {
    let { line } = hunk.now;
    for (const { range, text } of changes) {
      const above =
        range.end.line < line || (range.end.line === line && range.start.line < line) || isAtStart(range, line);
      if (above) line += (text.match(/\r\n|\r|\n/g) ?? []).length - (range.end.line - range.start.line);
    }
    return { ...hunk, now: { ...hunk.now, line: Math.max(0, line) } };
  });
}

/** What is inserted at the beginning of a line pushes it down. */
function isAtStart({ start, end }: TextChange['range'], line: number): boolean {
  return start.line === line && end.line === line && start.character === 0;
}
