import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { listFiles } from '../workspace/list.ts';
import { workspaceFolders } from '../workspace/places.ts';
import { contentOf } from './content.ts';
import { fileUri } from './workspace-paths.ts';

/** Files that are named, and characters of those whose text comes along. */
const most = { entries: 500, fileBytes: 16 * 1024, chars: Math.min(100_000, limits.attachmentChars) } as const;

/**
 * A folder as text: what is in it, and its small files, the smallest first, until the room is used. Ignored
 * files are left out.
 *
 * @throws ProblemError where it is no folder of the workspace
 */
export async function folderText(path: string): Promise<string> {
  const signal = AbortSignal.timeout(20_000);
  const asked = { path, depth: 8, limit: most.entries };
  const { entries, truncated } = await listFiles(asked, workspaceFolders(), signal);
  const names = entries.map((entry) => (entry.kind === 'folder' ? `${entry.path}/` : entry.path));
  const parts = [[...names, ...(truncated ? ['(There is more.)'] : [])].join('\n').slice(0, most.chars / 2)];
  let left = most.chars - (parts[0]?.length ?? 0);
  const small = entries
    .filter(({ kind, bytes }) => kind === 'file' && bytes !== null && bytes > 0 && bytes <= most.fileBytes)
    .sort((a, b) => (a.bytes ?? 0) - (b.bytes ?? 0));
  const texts = new Map<string, string>();
  for (const { path: file } of small) {
    const text = await textOf(file);
    if (text === undefined) continue;
    const cost = text.length + file.length + 20;
    if (cost > left) break;
    left -= cost;
    texts.set(file, text);
  }
  // In the order in which they are listed.
  for (const { path: file } of entries) {
    const text = texts.get(file);
    if (text !== undefined) parts.push(`--- ${file}\n${text}`);
  }
  return parts.join('\n\n');
}

/** What the person sees of a file; undefined where it is no text. */
async function textOf(path: string): Promise<string | undefined> {
  const uri = fileUri(path);
  if (!uri) return undefined;
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open) return open.getText();
  const content = await vscode.workspace.fs.readFile(uri).then(contentOf, () => undefined);
  return content?.kind === 'text' ? content.text : undefined;
}
