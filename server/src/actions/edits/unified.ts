import { HunkText, type RefuseLine } from './hunk-text.ts';
import type { Refusal } from './refusal.ts';
import type { Edit, WantedFile } from './types.ts';

/** The path that means "no file". */
const nullPath = '/dev/null';
const hunkHead = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/;
/** Header lines that are skipped. */
const ignoredHeads = /^(?:diff --git |index |new file mode |deleted file mode )/;

/**
 * Parses a unified diff strictly: the numbers in an `@@` line must match its lines, and hunks must be in order. The
 * first number only decides between several exact matches of the old lines.
 */
export function parseUnified(lines: readonly string[], first: number, refuseLine: RefuseLine): WantedFile[] | Refusal {
  const wanted: WantedFile[] = [];
  let at = first;
  while (at < lines.length) {
    while (ignoredHeads.test(lines[at] ?? '')) at++;
    const head = at;
    const [from, to] = [pathOf(lines[at], '--- '), pathOf(lines[at + 1], '+++ ')];
    if (from === undefined || to === undefined)
      return refuseLine(from === undefined ? at : at + 1, whyNoPath(lines[at] ?? ''));
    at += 2;
    const hunks: Hunk[] = [];
    while (lines[at]?.startsWith('@@')) {
      const hunk = readHunk(lines, at, refuseLine);
      if ('ok' in hunk) return hunk;
      const last = hunks.at(-1);
      if (last && hunk.start < last.start + last.removed)
        return refuseLine(at, 'the hunks overlap or are out of order.');
      if (last?.isEnd) return refuseLine(at, 'no hunk may follow one at the end of the file.');
      hunks.push(hunk);
      at = hunk.next;
    }
    const file = wantedFileOf(from, to, hunks, (why) => refuseLine(head, why));
    if ('ok' in file) return file;
    wanted.push(file);
    if (at < lines.length && !/^(?:diff --git |--- )/.test(lines[at] ?? ''))
      return refuseLine(
        at,
        hunks.length === 0 ? 'expected "@@ -a,b +c,d @@".' : 'the hunk has more lines than its "@@" line says.',
      );
  }
  return wanted;
}

/** A parsed hunk. `start` is the line number of its `@@` line, `next` the index of the line after it. */
interface Hunk extends Pick<HunkText, 'before' | 'after'> {
  start: number;
  removed: number;
  added: number;
  isEnd: boolean;
  next: number;
}

function readHunk(lines: readonly string[], head: number, refuseLine: RefuseLine): Hunk | Refusal {
  const found = hunkHead.exec(lines[head] ?? '');
  if (!found) return refuseLine(head, 'expected "@@ -a,b +c,d @@" with numbers.');
  const count = (digits: string | undefined) => (digits === undefined ? 1 : Number(digits));
  const [removed, added] = [count(found[2]), count(found[4])];
  const text = new HunkText();
  let [before, after, at] = [removed, added, head + 1];
  let isEnd = false;
  while (before > 0 || after > 0 || lines[at]?.startsWith('\\')) {
    const line = lines[at];
    if (line?.startsWith('\\')) {
      const mark = lines[at - 1]?.[0] ?? ' ';
      if (at - 1 === head || mark === '\\' || (mark !== '+' && before > 0) || (mark !== '-' && after > 0))
        return refuseLine(at, 'only the last line of a file can have no line ending.');
      text.endWithout(mark);
      isEnd = true;
    } else {
      if (line !== undefined && !line.startsWith('+')) before--;
      if (line !== undefined && !line.startsWith('-')) after--;
      if (line === undefined || before < 0 || after < 0 || !text.add(line))
        return refuseLine(
          Math.min(at, lines.length - 1),
          'the number of lines in the hunk differs from what its "@@" line says.',
        );
    }
    at++;
  }
  return { start: Number(found[1]), removed, added, before: text.before, after: text.after, isEnd, next: at };
}

function wantedFileOf(
  from: string,
  to: string,
  hunks: readonly Hunk[],
  refuseFile: (why: string) => Refusal,
): WantedFile | Refusal {
  const [only] = hunks;
  if (from === nullPath || to === nullPath) {
    const path = unprefixed(from === nullPath ? to : from, from === nullPath ? 'b/' : 'a/');
    if (from === to || hunks.length > 1) return refuseFile('a file must be added or deleted as a whole, in one hunk.');
    if (from === nullPath) {
      if (only && only.removed > 0) return refuseFile('an added file cannot have old lines.');
      return { path, text: only?.after ?? '', create: true };
    }
    if (only && only.added > 0) return refuseFile('a deleted file cannot have new lines.');
    return { path, text: null };
  }
  const path = from === to ? from : unprefixed(from, 'a/');
  if (from !== to && (path === from || path !== unprefixed(to, 'b/')))
    return refuseFile('a patch cannot move files. Add the file under its new name and delete the old one.');
  if (!only) return refuseFile('the file has no hunks.');
  const edits: Edit[] = [];
  let shift = 0;
  for (const { start, before, after, removed, added, isEnd } of hunks) {
    if (before.trim() === '') return refuseFile('a hunk has no old lines that show where it belongs.');
    if (before === after) return refuseFile('a hunk does not change anything.');
    edits.push({ oldText: before, newText: after, wholeLines: true, startLine: start + shift, atEnd: isEnd });
    shift += added - removed;
  }
  return { path, edits };
}

const unprefixed = (path: string, prefix: string) => (path.startsWith(prefix) ? path.slice(prefix.length) : path);

function pathOf(line: string | undefined, mark: string): string | undefined {
  if (!line?.startsWith(mark)) return undefined;
  const path = line.slice(mark.length).replace(/\t.*$/, '').trimEnd();
  return path === '' || path.startsWith('"') ? undefined : path;
}

function whyNoPath(line: string): string {
  if (/^(?:rename|copy|similarity|dissimilarity) /.test(line)) return 'a patch cannot move or copy files.';
  if (/^(?:old|new) mode /.test(line)) return 'a patch cannot change the mode of a file.';
  if (/^(?:GIT binary patch|Binary files )/.test(line)) return 'a patch cannot change binary files.';
  if (/^(?:---|\+\+\+) "/.test(line)) return 'quoted paths are not supported. Write the path without quotes.';
  return 'expected "--- path" and "+++ path".';
}
