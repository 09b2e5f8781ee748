import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { type Folder, pathOf } from './places.ts';

type SymbolsRequest = Omit<Extract<EditorRequest, { kind: 'symbols' }>, 'id' | 'kind'>;

/** Maximum wait in milliseconds. A language server that takes longer is still loading the project. */
const waitMs = 3_000;

/** Returns the symbols that this window's language servers find by name, within its folders. */
export async function symbolsNamed(
  { query, limit }: SymbolsRequest,
  folders: readonly Folder[],
): Promise<EditorAnswerOf<'symbols'>> {
  const symbols = await workspaceSymbols(query);
  const items = symbols.flatMap(({ name, kind, containerName, location }) => {
    const path = pathOf(location.uri, folders);
    // Skip symbols of libraries, and of files whose path cannot be used.
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

/** Returns the definitions that the language servers find by name, in their order. Never fails. */
async function workspaceSymbols(query: string): Promise<vscode.SymbolInformation[]> {
  const { promise: timedOut, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), waitMs);
  const pending = vscode.commands.executeCommand<vscode.SymbolInformation[] | undefined>(
    'vscode.executeWorkspaceSymbolProvider',
    query,
  );
  try {
    // Some providers resolve the location only when a symbol is opened: those symbols cannot be used.
    return ((await Promise.race([pending, timedOut])) ?? []).filter(({ location }) => location?.uri && location.range);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}
