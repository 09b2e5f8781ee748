import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import type { EditorChange } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { lineEndsOf, toCrlf, toLf } from '@devlm/workspace-core/line-ends.ts';
import * as vscode from 'vscode';
import { type Place, withFileErrors } from './places.ts';
import { refusals } from './problems.ts';
import { encodeExactly, type FileSnapshot, openDocument, usualEncoding } from './read.ts';
import { replacements } from './replacements.ts';

/** Maximum wait for an open document to reload its file from disk, in milliseconds. */
const followMs = 1_500;

/** The operation that applies the change of a single file. */
export type Step = { readonly place: Place; readonly before: FileSnapshot } & (
  | { readonly how: 'keep' }
  | { readonly how: 'create'; readonly bytes: Uint8Array; readonly madeFolders: readonly vscode.Uri[] }
  | { readonly how: 'delete' }
  /** Edits the document, so that the change can be undone. */
  | {
      readonly how: 'edit';
      readonly document: vscode.TextDocument;
      readonly version: number;
      readonly old: string;
      readonly text: string;
      readonly dirty: boolean;
      /** Bytes that the file has after saving. */
      readonly bytes: Uint8Array;
    }
  /** Writes the bytes, because a document would damage the file. */
  | { readonly how: 'write'; readonly bytes: Uint8Array }
);

/**
 * Plans how to apply the change of a single file, whose base has been checked.
 *
 * @throws ProblemError if the change is not allowed
 */
export async function plan(change: EditorChange, place: Place, before: FileSnapshot): Promise<Step> {
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

/** Plans an edit of the document. Returns undefined if a document cannot represent the old or the new text exactly. */
async function planEdit(
  text: string,
  bytes: Uint8Array,
  place: Place,
  before: FileSnapshot,
  file: { readonly text: string; readonly encoding: string; readonly dirty: boolean },
): Promise<Step | undefined> {
  if (!file.dirty && [text, file.text].some((text) => ['cr', 'mixed'].includes(lineEndsOf(text)))) return undefined;
  const document =
    openDocument(place.uri) ?? (await withFileErrors(place.path, vscode.workspace.openTextDocument(place.uri)));
  const matches = () => document.getText() === withEndsOf(document, file.text);
  // A document that lags behind its file is being reloaded by the editor.
  for (const until = performance.now() + followMs; !matches() && performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (document.isDirty !== file.dirty) throw refusals.notApplied(`${place.path} is being changed`);
  if (!matches() || document.encoding !== file.encoding) {
    if (file.dirty) throw refusals.notApplied(`${place.path} is being changed`);
    return undefined;
  }
  const wanted = withEndsOf(document, text);
  // If line endings and text change together, the editor's undo puts text in the wrong places.
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

/** Returns the edits that change a document to another text with the same line endings. */
export function editsOf(document: vscode.TextDocument, text: string): vscode.TextEdit[] {
  return replacements(document.getText(), text).map(({ start, end, text }) =>
    vscode.TextEdit.replace(new vscode.Range(document.positionAt(start), document.positionAt(end)), text),
  );
}

async function checkWritable({ path, uri }: Place): Promise<void> {
  if (vscode.workspace.fs.isWritableFileSystem(uri.scheme) === false) throw refusals.readOnly(path);
  const { permissions = 0 } = await withFileErrors(path, vscode.workspace.fs.stat(uri));
  if (permissions & vscode.FilePermission.Readonly) throw refusals.readOnly(path);
  if (uri.scheme !== 'file') return;
  try {
    // Refuse read-only files even if the user could override it, as an administrator can.
    if (((await lstat(uri.fsPath)).mode & 0o222) === 0) throw refusals.readOnly(path);
    await access(uri.fsPath, constants.W_OK);
  } catch {
    throw refusals.readOnly(path);
  }
}

/** Returns the missing parent folders of a new file, the outermost first. */
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

/** Returns the text with the line ends of a document, which has one kind only. */
function withEndsOf({ eol }: vscode.TextDocument, text: string): string {
  return eol === vscode.EndOfLine.CRLF ? toCrlf(text) : toLf(text);
}
