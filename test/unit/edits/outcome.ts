import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Workspace } from '../../../server/src/workspace/workspace.ts';
import { FileCalls } from '../../support/file-calls.ts';
import { type Case, type Code, type Files, path } from './case.ts';

/*
 * Runs a case of the corpus through the tools on a workspace, and compares the results and the files on disk with the
 * expected outcome. Imports neither vitest nor `vscode`, so that it also runs in an extension host.
 */

/** The outcome of a case. */
export interface Outcome {
  /** Code of the refusal, determined by the text of the result; null if the call succeeded. */
  readonly refusal: string | null;
  /** What the result reports for each file: created, changed or removed. */
  readonly said: Readonly<Record<string, string>>;
  /** Paths of the changes that the call announced before it made them. */
  readonly begun: readonly string[];
  /** Bytes of all files in the folder afterwards, in hex. */
  readonly files: Readonly<Record<string, string>>;
}

/** Creates a folder with the files of a case and runs the case on the workspace that is this folder. */
export async function outcomeOf({ files, ask }: Case, folder: string, workspace: Workspace): Promise<Outcome> {
  await mkdir(folder);
  const calls = new FileCalls(workspace);
  for (const [name, content] of Object.entries(files)) {
    if (content === null) continue;
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
    await calls.read(name);
  }
  const { ok, text } = typeof ask === 'string' ? await calls.patch(ask) : await calls.edit(path, ask);
  const said = [...text.matchAll(/^(.+) was (changed|created|removed)(?: \(\+\d+ −\d+\))?\.$/gm)];
  return {
    refusal: ok ? null : codeOf(text),
    said: ok ? sorted(said.map(([, name = '', what = '']) => [name, what])) : {},
    begun: calls.begun.flatMap((changes) => changes.map((change) => change.path)).sort(),
    files: await bytesIn(folder),
  };
}

/** Returns the expected outcome of a case. If it is refused, nothing is announced and no byte differs. */
export function rightOf({ files, right }: Case): Outcome {
  if (typeof right === 'string') return { refusal: right, said: {}, begun: [], files: hexOf(files) };
  const what = (name: string) => (right[name] === null ? 'removed' : name in files ? 'changed' : 'created');
  return {
    refusal: null,
    said: sorted(Object.keys(right).map((name) => [name, what(name)])),
    begun: Object.keys(right).sort(),
    files: hexOf({ ...files, ...right }),
  };
}

/** Texts of the refusals, after the name of the file. */
const words: Readonly<Record<Code, RegExp>> = {
  binary: /^It is a binary file\.$|^The new text contains a NUL character/,
  encoding: /^It is not valid \w+ text, or would change|^The new text contains half a character/,
  'too-large': /which is too many for one edit\.$/,
  empty: /^The old text is empty or blank/,
  'no-op': /^The old and the new text are the same/,
  'not-found':
    /^The file contains neither the old text|^The file does not contain the old text\. replaceAll|^The "@@" line names/,
  'near-miss': /^The old text has no exact match in the file\. The nearest place is line \d+, but .+ The file has:\n/,
  ambiguous:
    /it occurs .+ times, at lines? |^The old text occurs .+ times in the file, at |^The line ".*" of "@@" occurs/,
  'already-applied':
    /^The file does not contain the old text, but it contains the new|^The new (?:text is|lines are) already in/,
  indentation: /^The old text (?:omits the|matches from line \d+ on only with a different) indentation/,
  'line-ends': /^The lines to replace, .+ different line endings|^The edit would merge two line endings/,
  overlap:
    /changes text that an earlier edit wrote\. Combine them into one edit\.$|^Occurrences of the old text overlap/,
  malformed: /^Line \d+ of the patch: |^The patch names .+ twice/,
  exists: /^The file already exists\.$/,
  missing: /^The file does not exist\.$/,
};

/** Returns the code of a refusal's text. A text with no code or several is returned unchanged. */
function codeOf(text: string): string {
  const said = /^Nothing was changed\.(?: |\n\S+: )(?:Edit \d+ of \d+: )?(?=\S)(.*)$/s.exec(text)?.[1] ?? '';
  const codes = Object.entries(words).filter(([, pattern]) => pattern.test(said));
  return codes.length === 1 ? (codes[0]?.[0] ?? '') : `${codes.map(([code]) => code).join(' or ')}: ${text}`;
}

async function bytesIn(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Record<string, Uint8Array> = {};
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const file = join(entry.parentPath, entry.name);
    files[relative(folder, file).replaceAll(sep, '/')] = await readFile(file);
  }
  return hexOf(files);
}

function hexOf(files: Files): Record<string, string> {
  const entries = Object.entries(files).filter((entry): entry is [string, string | Uint8Array] => entry[1] !== null);
  return sorted(entries.map(([name, content]) => [name, Buffer.from(content).toString('hex')]));
}

/** Sorts by name, so that outcomes can be compared as JSON. */
function sorted(entries: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
