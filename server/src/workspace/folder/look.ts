import type { EditorFile } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { type ConfinedFile, listConfined, readConfined } from './paths.ts';
import { fileOf } from './text.ts';

/** A file, and what it is stored as; null where it was not read. */
export interface Look {
  readonly file: EditorFile;
  readonly stored: ConfinedFile | null;
}

/**
 * A file as it is on the disk.
 *
 * @throws ProblemError `outside_workspace`
 */
export async function look(root: string, path: string): Promise<Look> {
  try {
    const stored = await readConfined(root, path, { maxBytes: limits.fileBytes });
    return { file: fileOf(stored.bytes), stored };
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
