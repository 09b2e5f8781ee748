import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { listFiles } from '../workspace/list.ts';
import { workspaceFolders } from '../workspace/places.ts';
import { openDocument } from '../workspace/read.ts';
import { contentOf } from './content.ts';
import { fileUri } from './workspace-paths.ts';

/**
 * Maximum number of listed files, maximum size of a file whose text is included in bytes, and maximum total text in
 * UTF-16 code units.
 */
const max = { entries: 500, fileBytes: 16 * 1024, chars: Math.min(100_000, limits.attachmentChars) } as const;

/**
 * Returns a folder as text: its file list, and its small files, the smallest first, until the limit is reached.
 * Ignored files are excluded.
 *
 * @throws ProblemError if the path is not a folder of the workspace
 */
export async function folderText(path: string): Promise<string> {
  const signal = AbortSignal.timeout(20_000);
  const request = { path, depth: 8, limit: max.entries };
  const { entries, truncated } = await listFiles(request, workspaceFolders(), signal);
  const names = entries.map((entry) => (entry.kind === 'folder' ? `${entry.path}/` : entry.path));
  const parts = [[...names, ...(truncated ? ['(More files were omitted.)'] : [])].join('\n').slice(0, max.chars / 2)];
  let remainingChars = max.chars - (parts[0]?.length ?? 0);
  const small = entries
    .filter(({ kind, bytes }) => kind === 'file' && bytes !== null && bytes > 0 && bytes <= max.fileBytes)
    .sort((a, b) => (a.bytes ?? 0) - (b.bytes ?? 0));
  const texts = new Map<string, string>();
  for (const { path: file } of small) {
    const text = await textOf(file);
    if (text === undefined) continue;
    const cost = text.length + file.length + 20;
    if (cost > remainingChars) break;
    remainingChars -= cost;
    texts.set(file, text);
  }
  // Add the texts in the order of the file list.
  for (const { path: file } of entries) {
    const text = texts.get(file);
    if (text !== undefined) parts.push(`--- ${file}\n${text}`);
  }
  return parts.join('\n\n');
}

/** Returns the text of a file as the user sees it, or undefined if it is not text. */
async function textOf(path: string): Promise<string | undefined> {
  const uri = fileUri(path);
  if (!uri) return undefined;
  const open = openDocument(uri);
  if (open) return open.getText();
  const content = await vscode.workspace.fs.readFile(uri).then(contentOf, () => undefined);
  return content?.kind === 'text' ? content.text : undefined;
}
