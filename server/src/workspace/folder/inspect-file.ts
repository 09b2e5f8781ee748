import type { EditorFile } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { type ConfinedFile, listConfined, readConfined } from './paths.ts';
import { decodeFile } from './text.ts';

/** A file and its stored form; null if it was not read. */
export interface InspectedFile {
  readonly file: EditorFile;
  readonly stored: ConfinedFile | null;
}

/**
 * Reads a file from disk. A missing or unreadable file is a result, not an error.
 *
 * @throws ProblemError `outside_workspace`
 */
export async function inspectFile(root: string, path: string): Promise<InspectedFile> {
  try {
    const stored = await readConfined(root, path, { maxBytes: limits.fileBytes });
    return { file: decodeFile(stored.bytes), stored };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { code, detail } = error.problem;
    if (code === 'not_found') return { file: { kind: 'missing' }, stored: null };
    if (code === 'not_a_file' && (await isFolder(root, path))) return { file: { kind: 'folder' }, stored: null };
    if (code === 'outside_workspace') throw error;
    return { file: { kind: 'unreadable', reason: detail.slice(0, 500), bytes: null }, stored: null };
  }
}

async function isFolder(root: string, path: string): Promise<boolean> {
  return await listConfined(root, path).then(
    () => true,
    () => false,
  );
}
