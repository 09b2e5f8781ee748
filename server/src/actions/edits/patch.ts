import { type Bad, HunkText } from './hunk-text.ts';
import { toLf } from './lines.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { Edit, Wanted } from './types.ts';
import { parseUnified } from './unified.ts';

/**
 * Parses a patch strictly into the changes it wants of each file. It is either a unified diff, or `*** Begin Patch`,
 * then `*** Add File:`, `*** Delete File:` or `*** Update File:` with `@@` hunks, then `*** End Patch`. Each hunk
 * becomes an edit of whole lines; text after `@@` names the part of the file that it is in. Refused are moves (delete
 * and add say the same), hunks without old lines (they have no place) and files named twice.
 */
export function parsePatch(patch: string): { ok: true; wanted: Wanted[] } | Refusal {
  const lines = toLf(patch).replace(/\n+$/, '').split('\n');
  const bad: Bad = (index, why) => refuse('malformed', `Line ${index + 1} of the patch: ${why}`, [index + 1]);
  let first = 0;
  while (first < lines.length - 1 && lines[first]?.trim() === '') first++;
  const isUnified = /^(?:diff --git |--- )/.test(lines[first] ?? '');
  const wanted = isUnified ? parseUnified(lines, first, bad) : parseSections(lines, first, bad);
  if ('ok' in wanted) return wanted;
  const named = new Set<string>();
  for (const { path } of wanted) {
    if (named.has(path)) return refuse('malformed', `The patch names ${path} twice: put its changes together.`);
    named.add(path);
  }
  return wanted.length > 0 ? { ok: true, wanted } : bad(first, 'the patch changes no file.');
}

function parseSections(lines: readonly string[], first: number, bad: Bad): Wanted[] | Refusal {
  if (lines[first]?.trimEnd() !== '*** Begin Patch')
    return bad(first, 'a patch starts with "*** Begin Patch", or is a unified diff that starts with "--- ".');
  const last = lines.length - 1;
  if (last === first || lines[last]?.trimEnd() !== '*** End Patch')
    return bad(last, 'a patch ends with "*** End Patch".');
  const wanted: Wanted[] = [];
  let at = first + 1;
  while (at < last) {
    const header = /^\*\*\* (Add|Delete|Update) File: (\S.*)$/.exec(lines[at] ?? '');
    const [kind, path] = [header?.[1], header?.[2]?.trimEnd()];
    if (lines[at]?.startsWith('*** Move to:'))
      return bad(at, 'files cannot be moved by a patch: add the file under its new name and delete the old one.');
    if (!kind || !path)
      return bad(at, 'expected "*** Add File:", "*** Delete File:" or "*** Update File:" and a path.');
    const start = ++at;
    while (at < last && (!lines[at]?.startsWith('*** ') || lines[at]?.trimEnd() === endOfFile)) at++;
    const body = lines.slice(start, at);
    const badHere: Bad = (index, why) => bad(start + index, why);
    if (kind === 'Delete') {
      if (body.length > 0) return badHere(0, 'a deleted file has no lines.');
      wanted.push({ path, text: null });
    } else if (kind === 'Add') {
      const wrong = body.findIndex((line) => !line.startsWith('+'));
      if (wrong >= 0) return badHere(wrong, 'every line of an added file starts with "+".');
      wanted.push({ path, text: body.map((line) => `${line.slice(1)}\n`).join(''), create: true });
    } else if (lines[at]?.startsWith('*** Move to:')) continue;
    else {
      const edits = hunkEdits(body, badHere);
      if ('ok' in edits) return edits;
      wanted.push({ path, edits });
    }
  }
  return wanted;
}

const endOfFile = '*** End of File';

function hunkEdits(body: readonly string[], bad: Bad): Edit[] | Refusal {
  const edits: Edit[] = [];
  let at = 0;
  while (at < body.length || at === 0) {
    const within: string[] = [];
    const first = at;
    for (; isHunkStart(body[at]); at++) {
      // Line numbers are not trusted in this format: the lines themselves tell the place.
      const name = (body[at] ?? '').replace(/^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*$/, '@@').slice(3);
      if (name.trim() !== '') within.push(name);
    }
    if (at === first)
      return bad(
        at,
        edits.length > 0 ? 'after the end of the file comes nothing.' : 'an updated file starts with "@@".',
      );
    const hunk = new HunkText();
    for (; at < body.length && !isHunkStart(body[at]) && body[at]?.trimEnd() !== endOfFile; at++) {
      if (!hunk.add(body[at] ?? '')) return bad(at, 'a line of a hunk starts with "+", "-" or a space.');
    }
    const atEnd = body[at]?.trimEnd() === endOfFile;
    if (atEnd) at++;
    if (hunk.before.trim() === '') return bad(first, 'the hunk has no old lines that say where it goes.');
    if (hunk.before === hunk.after) return bad(first, 'the hunk changes nothing.');
    edits.push({ oldText: hunk.before, newText: hunk.after, wholeLines: true, within, atEnd });
  }
  return edits;
}

const isHunkStart = (line: string | undefined) => line?.trimEnd() === '@@' || line?.startsWith('@@ ') === true;
