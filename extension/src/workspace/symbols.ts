import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { type Folder, pathOf } from './places.ts';

type Asked = Omit<Extract<EditorRequest, { kind: 'symbols' }>, 'id' | 'kind'>;

/** A language server that takes longer is still reading the project, milliseconds. */
const waitMs = 3_000;

/** What the language servers of this window know by a name, in its folders; nothing where there are none. */
export async function symbolsNamed(
  { query, limit }: Asked,
  folders: readonly Folder[],
): Promise<EditorAnswerOf<'symbols'>> {
  const found = await workspaceSymbols(query);
  const items = found.flatMap(({ name, kind, containerName, location }) => {
    const path = pathOf(location.uri, folders);
    // Of libraries, and of files that have no name to read them by.
    if (path === undefined || path === '.' || name === '' || path.length > 4096) return [];
    return [
      {
        name: name.slice(0, 500),
        kind: vscode.SymbolKind[kind]?.toLowerCase() ?? 'variable',
        container: containerName ? containerName.slice(0, 500) : null,
        path,
        line: location.range.start.line + 1,
      },
    ];
  });
  return { items: items.slice(0, limit) };
}

/** The definitions that the language servers find by a name, as they come. Never fails. */
async function workspaceSymbols(query: string): Promise<vscode.SymbolInformation[]> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), waitMs);
  const asked = vscode.commands.executeCommand<vscode.SymbolInformation[] | undefined>(
    'vscode.executeWorkspaceSymbolProvider',
    query,
  );
  try {
    // Some say where it is only when it is opened: those cannot be used.
    return ((await Promise.race([asked, late])) ?? []).filter(({ location }) => location?.uri && location.range);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}
