import { applyEdits } from './edit.ts';
import { shownDiff } from './hunks.ts';
import { type Refusal, refuse } from './refusal.ts';
import { decode, encode, type TextFile } from './text-file.ts';
import type { Edit } from './types.ts';

/** What is to become of one file: `edits` of what was read, all of a `text`, or `null` to delete it. */
export type Wanted = { path: string } & (
  | { edits: readonly Edit[] }
  | { text: string; create?: boolean }
  | { text: null }
);
/** `baseHash` is undefined for a file that must not exist yet; `bytes` null deletes. */
export interface FileChange {
  path: string;
  baseHash: string | undefined;
  bytes: Uint8Array | null;
}

/** The complete set of changes, or one refusal that names every problem; nothing in between. */
export function planChanges(
  files: ReadonlyMap<string, Uint8Array>,
  wanted: readonly Wanted[],
): { ok: true; changes: FileChange[] } | Refusal {
  const changes: FileChange[] = [];
  const problems: (Refusal & { path: string })[] = [];
  const paths = new Set<string>();
  for (const want of wanted) {
    const done = paths.has(want.path)
      ? refuse('overlap', 'The file is named twice: put its edits together.')
      : planOne(files.get(want.path), want);
    paths.add(want.path);
    if (!('ok' in done)) changes.push(done);
    else problems.push({ ...done, path: want.path });
  }
  const [first] = problems;
  if (!first) return { ok: true, changes };
  return refuse(first.code, problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), first.lines);
}

function planOne(bytes: Uint8Array | undefined, want: Wanted): FileChange | Refusal {
  const { path } = want;
  if (!bytes) {
    if ('edits' in want || want.text === null) return refuse('missing', 'There is no such file.');
    const made = encode(want.text, { encoding: 'utf8', bom: false });
    return made.ok ? { path, baseHash: undefined, bytes: made.bytes } : made;
  }
  if ('create' in want && want.create) return refuse('exists', 'The file exists already.');
  const file = decode(bytes);
  if (!file.ok) return file;
  if ('text' in want && want.text === null) return { path, baseHash: file.hash, bytes: null };
  const result = 'edits' in want ? applyEdits(file.text, want.edits) : { ok: true as const, text: want.text };
  if (!result.ok) return result;
  const made = encode(result.text, file);
  return made.ok ? { path, baseHash: file.hash, bytes: made.bytes } : made;
}

/** Undefined where the file is still the version that was read; else a refusal that shows what changed. */
export function compareAndSwap(read: TextFile, current: Uint8Array | undefined): Refusal | undefined {
  if (!current) return refuse('changed', 'The file was deleted since you read it.');
  const now = decode(current);
  if (!now.ok) return now;
  if (now.hash === read.hash) return undefined;
  const diff = shownDiff(read.text, now.text) || '(the same text, in other bytes)';
  return refuse('changed', `The file changed since you read it. Read it again before editing. What changed:\n${diff}`);
}
