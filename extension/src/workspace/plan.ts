import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import type { EditorChange } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { named, type Place } from './places.ts';
import { refusals } from './problems.ts';
import { encodeExactly, type Look, openDocument, usualEncoding } from './read.ts';
import { lineEndsOf, replacements, withLineEnds } from './text-change.ts';

/** How long an open document may take to follow its file on disk, milliseconds. */
const followMs = 1_500;

/** One file of a change, and how it is done. */
export type Step = { readonly place: Place; readonly before: Look } & (
  | { readonly how: 'keep' }
  | { readonly how: 'create'; readonly bytes: Uint8Array; readonly madeFolders: readonly vscode.Uri[] }
  | { readonly how: 'delete' }
  /** Through its document, so that it can be undone. */
  | {
      readonly how: 'edit';
      readonly document: vscode.TextDocument;
      readonly version: number;
      readonly old: string;
      readonly text: string;
      readonly dirty: boolean;
      /** What it shall be saved as. */
      readonly bytes: Uint8Array;
    }
  /** A document would damage it: its bytes are written. */
  | { readonly how: 'write'; readonly bytes: Uint8Array }
);

/**
 * How one file of a change is done; its base has been checked.
 *
 * @throws ProblemError where it may not be done
 */
export async function plan(change: EditorChange, place: Place, before: Look): Promise<Step> {
  const { file } = before;
  const { path, uri } = place;
  if (change.text === null) {
    if (file.kind === 'missing') return { how: 'keep', place, before };
    if (place.linked) throw refusals.isLink(path);
    if (file.kind === 'text' && file.dirty) throw refusals.isUnsaved(path);
    await checkWritable(place);
    return { how: 'delete', place, before };
  }
  if (Buffer.byteLength(change.text) > limits.fileBytes) throw refusals.tooLarge(path);
  if (file.kind === 'text' && file.text === change.text) return { how: 'keep', place, before };
  const encoding = file.kind === 'text' ? file.encoding : (change.encoding ?? usualEncoding(uri));
  const bytes = await encodeExactly(change.text, encoding);
  if (!bytes) throw refusals.unencodable(path, encoding);
  if (file.kind !== 'text') {
    return { how: 'create', place, before, bytes, madeFolders: await missingFolders(place) };
  }
  await checkWritable(place);
  return (await planEdit(change.text, bytes, place, before, file)) ?? { how: 'write', place, before, bytes };
}

/** Undefined where a document does not hold the file exactly, or could not hold the new text. */
async function planEdit(
  text: string,
  bytes: Uint8Array,
  place: Place,
  before: Look,
  file: { readonly text: string; readonly encoding: string; readonly dirty: boolean },
): Promise<Step | undefined> {
  if (!file.dirty && (lineEndsOf(text) === 'mixed' || lineEndsOf(file.text) === 'mixed')) return undefined;
  const document = openDocument(place.uri) ?? (await named(place.path, vscode.workspace.openTextDocument(place.uri)));
  const matches = () => document.getText() === withLineEnds(file.text, endsOf(document.eol));
  // One that lags behind its file on disk is being read again by the editor.
  for (const until = performance.now() + followMs; !matches() && performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (document.isDirty !== file.dirty) throw refusals.notApplied(`${place.path} is being changed`);
  if (!matches() || document.encoding !== file.encoding) {
    if (file.dirty) throw refusals.notApplied(`${place.path} is being changed`);
    return undefined;
  }
  const wanted = withLineEnds(text, endsOf(document.eol));
  // Other line ends together with other text: the editor's undo would put text in the wrong places.
  if (!file.dirty && wanted !== text) return undefined;
  const old = document.getText();
  return {
    how: 'edit',
    place,
    before,
    document,
    version: document.version,
    old,
    text: wanted,
    dirty: file.dirty,
    bytes,
  };
}

/** The edits that give a document another text with the same kind of line ends. */
export function editsOf(document: vscode.TextDocument, text: string): vscode.TextEdit[] {
  return replacements(document.getText(), text).map(({ start, end, text }) =>
    vscode.TextEdit.replace(new vscode.Range(document.positionAt(start), document.positionAt(end)), text),
  );
}

async function checkWritable({ path, uri }: Place): Promise<void> {
  if (vscode.workspace.fs.isWritableFileSystem(uri.scheme) === false) throw refusals.readOnly(path);
  const { permissions = 0 } = await named(path, vscode.workspace.fs.stat(uri));
  if (permissions & vscode.FilePermission.Readonly) throw refusals.readOnly(path);
  if (uri.scheme !== 'file') return;
  try {
    // Also where the user could override it, as an administrator can.
    if (((await lstat(uri.fsPath)).mode & 0o222) === 0) throw refusals.readOnly(path);
    await access(uri.fsPath, constants.W_OK);
  } catch {
    throw refusals.readOnly(path);
  }
}

/** The folders that a new file needs and that are not there, the outermost first. */
async function missingFolders(place: Place): Promise<vscode.Uri[]> {
  const missing: vscode.Uri[] = [];
  const root = place.folder.uri.path;
  for (let at = vscode.Uri.joinPath(place.uri, '..'); ; at = vscode.Uri.joinPath(at, '..')) {
    const stat = await vscode.workspace.fs.stat(at).then(
      (found) => found,
      () => undefined,
    );
    if (stat) {
      if (!(stat.type & vscode.FileType.Directory)) throw refusals.badPath(place.path, 'a part of it is a file');
      await checkWritable({ ...place, uri: at });
      return missing;
    }
    if (at.path.length <= root.length) throw refusals.failed(place.path, new Error('the workspace folder is gone'));
    missing.unshift(at);
  }
}

function endsOf(eol: vscode.EndOfLine): 'lf' | 'crlf' {
  return eol === vscode.EndOfLine.CRLF ? 'crlf' : 'lf';
}
