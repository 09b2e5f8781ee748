import { toLf } from '@devlm/workspace-core/line-ends.ts';
import { HunkText, type RefuseLine } from './hunk-text.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { Edit, WantedFile } from './types.ts';
import { parseUnified } from './unified.ts';

/**
 * Parses a patch strictly into the changes to each file. It is either a unified diff, or `*** Begin Patch`, then `***
 * Add File:`, `*** Delete File:` or `*** Update File:` with `@@` hunks, then `*** End Patch`. Each hunk becomes an edit
 * of whole lines; text after `@@` names the part of the file that it is in. It refuses moves (delete and add have the
 * same effect), hunks without old lines (their place is unknown) and files that are named twice.
 */
export function parsePatch(patch: string): { ok: true; wanted: WantedFile[] } | Refusal {
  const lines = toLf(patch).replace(/\n+$/, '').split('\n');
  const refuseLine: RefuseLine = (index, why) =>
    refuse('malformed', `Line ${index + 1} of the patch: ${why}`, [index + 1]);
  let first = 0;
  while (first < lines.length - 1 && lines[first]?.trim() === '') first++;
  const isUnified = /^(?:diff --git |--- )/.test(lines[first] ?? '');
  const wanted = isUnified ? parseUnified(lines, first, refuseLine) : parseSections(lines, first, refuseLine);
  if ('ok' in wanted) return wanted;
  const named = new Set<string>();
  for (const { path } of wanted) {
    if (named.has(path)) return refuse('malformed', `The patch names ${path} twice. Combine its changes.`);
    named.add(path);
  }
  return wanted.length > 0 ? { ok: true, wanted } : refuseLine(first, 'the patch does not change any file.');
}

function parseSections(lines: readonly string[], first: number, refuseLine: RefuseLine): WantedFile[] | Refusal {
  if (lines[first]?.trimEnd() !== '*** Begin Patch')
    return refuseLine(
      first,
      'a patch must start with "*** Begin Patch", or be a unified diff that starts with "--- ".',
    );
  const last = lines.length - 1;
  if (last === first || lines[last]?.trimEnd() !== '*** End Patch')
    return refuseLine(last, 'a patch must end with "*** End Patch".');
  const wanted: WantedFile[] = [];
  let at = first + 1;
  while (at < last) {
    const header = /^\*\*\* (Add|Delete|Update) File: (\S.*)$/.exec(lines[at] ?? '');
    const [kind, path] = [header?.[1], header?.[2]?.trimEnd()];
    if (lines[at]?.startsWith('*** Move to:'))
      return refuseLine(at, 'a patch cannot move files. Add the file under its new name and delete the old one.');
    if (!kind || !path)
      return refuseLine(at, 'expected "*** Add File:", "*** Delete File:" or "*** Update File:" and a path.');
    const start = ++at;
    while (at < last && (!lines[at]?.startsWith('*** ') || lines[at]?.trimEnd() === endOfFile)) at++;
    const body = lines.slice(start, at);
    const refuseHere: RefuseLine = (index, why) => refuseLine(start + index, why);
    if (kind === 'Delete') {
      if (body.length > 0) return refuseHere(0, '"*** Delete File:" must not be followed by lines.');
      wanted.push({ path, text: null });
    } else if (kind === 'Add') {
      const wrong = body.findIndex((line) => !line.startsWith('+'));
      if (wrong >= 0) return refuseHere(wrong, 'every line of an added file must start with "+".');
      wanted.push({ path, text: body.map((line) => `${line.slice(1)}\n`).join(''), create: true });
    } else if (lines[at]?.startsWith('*** Move to:')) continue;
    else {
      const edits = hunkEdits(body, refuseHere);
      if ('ok' in edits) return edits;
      wanted.push({ path, edits });
    }
  }
  return wanted;
}

const endOfFile = '*** End of File';

function hunkEdits(body: readonly string[], refuseLine: RefuseLine): Edit[] | Refusal {
  const edits: Edit[] = [];
  let at = 0;
  while (at < body.length || at === 0) {
    const within: string[] = [];
    const first = at;
    for (; isHunkStart(body[at]); at++) {
      // Line numbers are not trusted in this format: the lines themselves determine the place.
      const name = (body[at] ?? '').replace(/^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*$/, '@@').slice(3);
      if (name.trim() !== '') within.push(name);
    }
    if (at === first)
      return refuseLine(
        at,
        edits.length > 0
          ? 'nothing may follow "*** End of File".'
          : 'the changes of an updated file must start with "@@".',
      );
    const hunk = new HunkText();
    for (; at < body.length && !isHunkStart(body[at]) && body[at]?.trimEnd() !== endOfFile; at++) {
      if (!hunk.add(body[at] ?? '')) return refuseLine(at, 'a line of a hunk must start with "+", "-" or a space.');
    }
    const atEnd = body[at]?.trimEnd() === endOfFile;
    if (atEnd) at++;
    if (hunk.before.trim() === '') return refuseLine(first, 'the hunk has no old lines that show where it belongs.');
    if (hunk.before === hunk.after) return refuseLine(first, 'the hunk does not change anything.');
    edits.push({ oldText: hunk.before, newText: hunk.after, wholeLines: true, within, atEnd });
  }
  return edits;
}

const isHunkStart = (line: string | undefined) => line?.trimEnd() === '@@' || line?.startsWith('@@ ') === true;
