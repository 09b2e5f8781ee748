import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { Ignored } from './ignored.ts';
import { type Folder, named, pathOf, placeOf } from './places.ts';
import { refusals } from './problems.ts';
import { isMissing } from './read.ts';

type Asked = Omit<Extract<EditorRequest, { kind: 'list' }>, 'id' | 'kind'>;
type Entry = EditorAnswerOf<'list'>['entries'][number];

/** Sizes that are asked for at once. */
const atOnce = 32;

/** A file or folder that a walk came by. */
export interface Found {
  readonly uri: vscode.Uri;
  readonly kind: 'file' | 'folder';
}

/**
 * What is below a folder, level by level, each level by name; ignored files left out.
 *
 * @throws ProblemError `not_found` where it is no folder
 */
export async function listFiles(
  asked: Asked,
  folders: readonly Folder[],
  signal: AbortSignal,
): Promise<EditorAnswerOf<'list'>> {
  const place = await placeOf(asked.path, folders);
  const found: Found[] = [];
  let truncated = false;
  const add = (one: Found): boolean => {
    truncated ||= found.length >= asked.limit;
    if (!truncated) found.push(one);
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
    await named(asked.path, walk(place.uri, place.folder, asked.depth, add, ['files.exclude'], signal));
  } else {
    for (const folder of folders) {
      if (!add({ uri: folder.uri, kind: 'folder' })) break;
      if (asked.depth > 1) await walk(folder.uri, folder, asked.depth - 1, add, ['files.exclude'], signal);
    }
  }
  const entries: Entry[] = [];
  for (let i = 0; i < found.length; i += atOnce) {
    signal.throwIfAborted();
    entries.push(...(await Promise.all(found.slice(i, i + atOnce).map((one) => entryOf(one, folders)))));
  }
  return { entries, truncated };
}

async function entryOf({ uri, kind }: Found, folders: readonly Folder[]): Promise<Entry> {
  const path = pathOf(uri, folders) ?? '.';
  if (kind === 'folder') return { path, kind, bytes: null };
  const stat = await vscode.workspace.fs.stat(uri).then(
    (found) => found,
    () => null,
  );
  // What is not saved yet is on no disk.
  const isDirty = vscode.workspace.textDocuments.some((open) => open.isDirty && open.uri.toString() === uri.toString());
  return { path, kind, bytes: stat?.size ?? null, modified: isDirty ? null : (stat?.mtime ?? null) };
}

/** Goes through a folder until `visit` answers false. Folders behind symbolic links are named, not entered. */
export async function walk(
  start: vscode.Uri,
  folder: Folder,
  depth: number,
  visit: (found: Found) => boolean,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const ignored = new Ignored(folder.uri, settings);
  const relative = (uri: vscode.Uri) => pathOf(uri, [folder]) ?? '.';
  // What was asked for by its name is shown even where it is ignored.
  const asked = relative(start);
  const askedIgnored = await ignored.has(asked, true);
  let level = [start];
  for (let left = depth; left > 0 && level.length > 0; left--) {
    const next: vscode.Uri[] = [];
    for (const at of level) {
      signal.throwIfAborted();
      const entries = await vscode.workspace.fs.readDirectory(at).then(
        (found) => found,
        () => [],
      );
      for (const [name, type] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
        const uri = vscode.Uri.joinPath(at, name);
        const isFolder = (type & vscode.FileType.Directory) !== 0;
        if (!askedIgnored && (await ignored.has(relative(uri), isFolder))) continue;
        if (!visit({ uri, kind: isFolder ? 'folder' : 'file' })) return;
        if (type === vscode.FileType.Directory) next.push(uri);
      }
    }
    level = next;
  }
}
