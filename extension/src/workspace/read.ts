import { createHash } from 'node:crypto';
import type { EditorFile } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { contentOf } from '../editor/content.ts';
import type { Place } from './places.ts';
import { refusals } from './problems.ts';

/** A file and its stored bytes. */
export interface FileSnapshot {
  readonly file: EditorFile;
  /** Bytes on disk. Null if the file does not exist or was not read. */
  readonly bytes: Uint8Array | null;
}

/** Returns the SHA-256 of the text's UTF-8 bytes, in hex. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** Returns the open document of a file, or undefined. */
export function openDocument(uri: vscode.Uri): vscode.TextDocument | undefined {
  const wanted = uri.toString();
  return vscode.workspace.textDocuments.find((document) => !document.isClosed && document.uri.toString() === wanted);
}

/**
 * Returns a file as the editor has it: an open document with its unsaved changes, else the content on disk with its
 * own line endings, even mixed ones.
 *
 * @throws ProblemError `file_system` if the file system fails
 */
export async function snapshotFile({ uri, path }: Pick<Place, 'uri' | 'path'>): Promise<FileSnapshot> {
  const stat = await vscode.workspace.fs.stat(uri).then(
    (found) => found,
    (error: unknown) => {
      if (isMissing(error)) return undefined;
      throw refusals.failed(path, error);
    },
  );
  const document = openDocument(uri);
  if (document?.isDirty) return { file: dirtyFile(document), bytes: null };
  if (!stat) return { file: { kind: 'missing' }, bytes: null };
  if (stat.type & vscode.FileType.Directory) return { file: { kind: 'folder' }, bytes: null };
  // Reading a pipe or a device may never end.
  if (!(stat.type & vscode.FileType.File)) return unreadable('It is not a regular file.', null);
  if (stat.size > limits.fileBytes) return unreadable(tooLarge(stat.size), stat.size);
  let bytes: Uint8Array;
  try {
    bytes = await vscode.workspace.fs.readFile(uri);
  } catch (error) {
    if (isMissing(error)) return { file: { kind: 'missing' }, bytes: null };
    return unreadable(`It could not be read: ${error instanceof Error ? error.message : String(error)}`, stat.size);
  }
  if (bytes.length > limits.fileBytes) return unreadable(tooLarge(bytes.length), bytes.length);
  return { file: await fileOf(bytes, uri, document), bytes };
}

/** Returns the encoding of new files, from the settings. */
export function usualEncoding(uri: vscode.Uri): string {
  return vscode.workspace.getConfiguration('files', uri).get('encoding', 'utf8');
}

/** Encodes a text. Returns null if the encoding cannot represent all its characters. */
export async function encodeExactly(text: string, encoding: string): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(await vscode.workspace.encode(text, { encoding }));
  return (await decode(bytes, encoding)) === text ? bytes : null;
}

/** Returns whether the error says that a file does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof vscode.FileSystemError && ['FileNotFound', 'FileNotADirectory'].includes(error.code);
}

/** Returns whether two byte arrays are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function dirtyFile(document: vscode.TextDocument): EditorFile {
  const text = document.getText();
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.fileBytes) return { kind: 'unreadable', reason: tooLarge(bytes), bytes };
  if (!text.isWellFormed())
    return { kind: 'unreadable', reason: 'It contains incomplete characters (unpaired surrogates).', bytes };
  return { kind: 'text', text, encoding: document.encoding, hash: hashOf(text), dirty: true };
}

async function fileOf(
  bytes: Uint8Array,
  uri: vscode.Uri,
  document: vscode.TextDocument | undefined,
): Promise<EditorFile> {
  const content = contentOf(bytes);
  if (content.kind === 'image') {
    if (bytes.length > limits.imageBytes) return unreadable(tooLarge(bytes.length), bytes.length).file;
    return { kind: 'image', mediaType: content.mediaType, data: Buffer.from(bytes).toString('base64') };
  }
  const mark = markedEncoding(bytes);
  if (mark !== 'utf16le' && mark !== 'utf16be' && bytes.includes(0)) {
    return unreadable('It is a binary file.', bytes.length).file;
  }
  const encoding = document?.encoding ?? mark ?? (await unmarkedEncoding(uri));
  const text = await decode(bytes, encoding);
  const roundTrips =
    text?.isWellFormed() === true &&
    sameBytes(new Uint8Array(await vscode.workspace.encode(text, { encoding })), bytes);
  if (text === null || !roundTrips) {
    const reason = `It is not valid ${encoding} text, or would change if it were written back in this encoding.`;
    return unreadable(reason, bytes.length).file;
  }
  return { kind: 'text', text, encoding, hash: hashOf(text), dirty: false };
}

/** Decodes a text. Returns null if the editor takes the bytes for binary. */
async function decode(bytes: Uint8Array, encoding: string): Promise<string | null> {
  return await vscode.workspace.decode(bytes, { encoding }).then(
    (text) => text,
    () => null,
  );
}

/** Returns the encoding that the byte order mark indicates, which takes precedence over settings. */
function markedEncoding(bytes: Uint8Array): string | undefined {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf8bom';
  if (a === 0xff && b === 0xfe) return 'utf16le';
  if (a === 0xfe && b === 0xff) return 'utf16be';
  return undefined;
}

async function unmarkedEncoding(uri: vscode.Uri): Promise<string> {
  const isGuessing = vscode.workspace.getConfiguration('files', uri).get('autoGuessEncoding', false);
  if (isGuessing) return (await vscode.workspace.openTextDocument(uri)).encoding;
  const usual = usualEncoding(uri);
  // The setting applies to new files: an existing file has the mark only if it is there.
  return usual === 'utf8bom' ? 'utf8' : usual;
}

function unreadable(reason: string, bytes: number | null): FileSnapshot {
  return { file: { kind: 'unreadable', reason: reason.slice(0, 500), bytes }, bytes: null };
}

function tooLarge(bytes: number): string {
  return `It is too large: ${bytes} bytes. The limit is ${limits.fileBytes} bytes.`;
}
