import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';
import type { SourceFolder } from '../../server/src/actions/symbols/project-symbols.ts';

/** Folders that never contain sources of a project. */
const ignoredFolders = new Set(['node_modules', '.git', 'dist', 'dist-test', '.vscode-test']);

/** Returns a folder on disk as a workspace provides it, without an editor. */
export function sourceFolder(root: string): SourceFolder {
  return {
    list: async () => ({ entries: list(root, ''), truncated: false }),
    read: async (path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return {
        kind: 'text',
        text,
        encoding: 'utf8',
        hash: createHash('sha256').update(text).digest('hex'),
        dirty: false,
      };
    },
  };
}

function list(root: string, folder: string): EditorAnswerOf<'list'>['entries'] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ignoredFolders.has(entry.name) ? [] : list(root, path);
    if (!entry.isFile()) return [];
    const { size, mtimeMs } = statSync(join(root, path));
    return [{ path, kind: 'file' as const, bytes: size, modified: mtimeMs }];
  });
}
