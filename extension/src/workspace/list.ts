import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { ignoredIn } from './ignored.ts';
import { type Folder, pathOf, placeOf, withFileErrors } from './places.ts';
import { refusals } from './problems.ts';
import { isMissing } from './read.ts';

type ListRequest = Omit<Extract<EditorRequest, { kind: 'list' }>, 'id' | 'kind'>;
type Entry = EditorAnswerOf<'list'>['entries'][number];

/** Number of concurrent `stat` calls. */
const statConcurrency = 32;

/** A file or folder that `walk` visits. */
export interface WalkEntry {
  readonly uri: vscode.Uri;
  readonly kind: 'file' | 'folder';
}

/**
 * Lists the contents of a folder, level by level and sorted by name, without ignored files.
 *
 * @throws ProblemError `not_found` if the path is not a folder
 */
export async function listFiles(
  asked: ListRequest,
  folders: readonly Folder[],
  signal: AbortSignal,
): Promise<EditorAnswerOf<'list'>> {
  const place = await placeOf(asked.path, folders);
  const found: WalkEntry[] = [];
  let truncated = false;
  const add = (entry: WalkEntry): boolean => {
    truncated ||= found.length >= asked.limit;
    if (!truncated) found.push(entry);
    return !truncated;
  };
  if (place) {
    const stat = await vscode.workspace.fs.stat(place.uri).then(
      (found) => found,
      (error: unknown) => {
        if (isMissing(error)) return undefined;
        throw refusals.failed(asked.path, error);
      },
    );
    if (!stat || !(stat.type & vscode.FileType.Directory)) throw refusals.notFolder(asked.path);
    await withFileErrors(asked.path, walk(place.uri, place.folder, asked.depth, add, ['files.exclude'], signal));
  } else {
    for (const folder of folders) {
      if (!add({ uri: folder.uri, kind: 'folder' })) break;
      if (asked.depth > 1) await walk(folder.uri, folder, asked.depth - 1, add, ['files.exclude'], signal);
    }
  }
  const entries: Entry[] = [];
  for (let i = 0; i < found.length; i += statConcurrency) {
    signal.throwIfAborted();
    entries.push(...(await Promise.all(found.slice(i, i + statConcurrency).map((entry) => entryOf(entry, folders)))));
  }
  return { entries, truncated };
}

async function entryOf({ uri, kind }: WalkEntry, folders: readonly Folder[]): Promise<Entry> {
  const path = pathOf(uri, folders) ?? '.';
  if (kind === 'folder') return { path, kind, bytes: null };
  const stat = await vscode.workspace.fs.stat(uri).then(
    (found) => found,
    () => null,
  );
  // The file on disk does not have the unsaved content yet.
  const isDirty = vscode.workspace.textDocuments.some((open) => open.isDirty && open.uri.toString() === uri.toString());
  return { path, kind, bytes: stat?.size ?? null, modified: isDirty ? null : (stat?.mtime ?? null) };
}

/**
 * Visits the contents of a folder until `visit` returns false. Symbolic links to folders are listed but not entered.
 */
export async function walk(
  start: vscode.Uri,
  folder: Folder,
  depth: number,
  visit: (found: WalkEntry) => boolean,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const ignored = ignoredIn(folder.uri, settings);
  const relative = (uri: vscode.Uri) => pathOf(uri, [folder]) ?? '.';
  // A folder that was requested by name is listed even if it is ignored.
  const startPath = relative(start);
  const isStartIgnored = await ignored.has(startPath, true);
  let level = [start];
  for (let levelsLeft = depth; levelsLeft > 0 && level.length > 0; levelsLeft--) {
    const next: vscode.Uri[] = [];
    for (const at of level) {
      signal.throwIfAborted();
      const entries = await vscode.workspace.fs.readDirectory(at).then(
        (found) => found,
        () => [],
      );
      for (const [name, type] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
        const uri = vscode.Uri.joinPath(at, name);
        // Like Git, rules take a link to a folder for a file.
        const isFolder = type === vscode.FileType.Directory;
        const path = relative(uri);
        if (isStartIgnored ? ignored.hides(path, isFolder) : await ignored.has(path, isFolder)) continue;
        if (!visit({ uri, kind: type & vscode.FileType.Directory ? 'folder' : 'file' })) return;
        if (isFolder) next.push(uri);
      }
    }
    level = next;
  }
}
