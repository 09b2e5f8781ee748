import type { EditorSymbol } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as z from 'zod';
import type { Workspace } from '../../workspace/workspace.ts';
import { type FoundSymbol, findSymbols } from '../symbols/find.ts';
import { SymbolKind } from '../symbols/source-symbols.ts';
import { defineTool, done } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** Maximum number of definitions that are listed. */
const maxResults = 40;
/** Time limit for the answer of the language servers, in milliseconds. */
const languageServerTimeoutMs = 4_000;

/** The tool `symbol_search`: finds definitions by name. */
export const symbolSearch = defineTool({
  name: 'symbol_search',
  description: `Finds where classes, functions, methods, types and constants of the workspace are defined, by name. Exact matches come first, then prefixes, substrings, and names that contain the same letters in order. Returns at most ${maxResults} definitions with file:line, signature, and how often the name is used elsewhere. Use file_search for other text.`,
  input: z.strictObject({
    query: z.string().trim().min(1).max(limits.queryChars).describe('The name or a part of it.'),
    kind: SymbolKind.optional(),
    path: PathInput.optional().describe('Limits the search to this file or folder.'),
  }),
  readOnly: true,
  async run(search, context) {
    const workspace = await context.workspace();
    const [index, known] = await Promise.all([
      context.symbols(),
      serverSymbols(workspace, search.query, context.signal),
    ]);
    const indexed = findSymbols(index.symbols(), search, maxResults + 1);
    const parsed = new Set(indexed.map(({ path, name, line }) => `${path}\n${name}\n${line}`));
    const fromServers = findSymbols(known, search, maxResults).filter(
      // The line of a definition may differ by one, because of decorators or comments.
      ({ path, name, line }) => ![line - 1, line, line + 1].some((at) => parsed.has(`${path}\n${name}\n${at}`)),
    );
    const found = findSymbols<FoundSymbol>([...indexed, ...fromServers], search, maxResults + 1);
    if (found.length === 0)
      return done(
        `No definition matches "${search.query}" in ${index.files} source files. Try a part of the name, or use file_search for text.`,
      );
    const lines = found.slice(0, maxResults).map(({ path, line, kind, signature, name }) => {
      const uses = index.uses(name);
      return `${path}:${line} ${signature} (${kind}, ${uses === 1 ? '1 use' : `${uses} uses`} of the name)`;
    });
    const more = found.length > maxResults ? '\n(There are more. Give a longer name, a kind or a path.)' : '';
    return done(lines.join('\n') + more);
  },
});

/** Returns what the language servers find. They are optional: their failures are ignored. */
async function serverSymbols(workspace: Workspace, query: string, signal: AbortSignal): Promise<FoundSymbol[]> {
  if (!workspace.symbols) return [];
  const stop = AbortSignal.any([signal, AbortSignal.timeout(languageServerTimeoutMs)]);
  const { items } = await workspace.symbols({ query, limit: 200 }, stop).catch(() => ({ items: [] }));
  signal.throwIfAborted();
  return items.map(({ name, kind, container, path, line }) => ({
    // Language servers append parentheses to the names of functions.
    name: name.replace(/\(.*$/s, ''),
    kind: kindOf(kind),
    path,
    line,
    endLine: line,
    signature: container ? `${container}.${name}` : name,
  }));
}

const kinds = new Map<string, SymbolKind>([
  ['struct', 'class'],
  ['object', 'class'],
  ['namespace', 'module'],
  ['package', 'module'],
  ['constructor', 'method'],
]);

function kindOf(kind: EditorSymbol['kind']): SymbolKind {
  return SymbolKind.safeParse(kind).data ?? kinds.get(kind) ?? 'variable';
}
