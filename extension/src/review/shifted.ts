import type { HunkPlace } from '@devlm/protocol/review.ts';

/** A change of a document by range, like `vscode.TextDocumentContentChangeEvent`. */
interface RangeChange {
  readonly range: {
    readonly start: { readonly line: number; readonly character: number };
    readonly end: { readonly line: number };
  };
  readonly text: string;
}

/** Returns the positions of changes after edits of a document. An edit above moves them; an edit inside does not. */
export function shifted(hunks: readonly HunkPlace[], changes: readonly RangeChange[]): HunkPlace[] {
  return hunks.map((hunk) => {
    let { line } = hunk.now;
    for (const { range, text } of changes) {
      const isAbove =
        range.end.line < line || (range.end.line === line && range.start.line < line) || isAtStart(range, line);
      if (isAbove) line += (text.match(/\r\n|\r|\n/g) ?? []).length - (range.end.line - range.start.line);
    }
    return { ...hunk, now: { ...hunk.now, line: Math.max(0, line) } };
  });
}

/** Returns whether a change inserts at the beginning of a line, which moves the line down. */
function isAtStart({ start, end }: RangeChange['range'], line: number): boolean {
  return start.line === line && end.line === line && start.character === 0;
}
