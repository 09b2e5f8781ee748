import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import treeSitter, {
  type Language,
  type Node,
  type Parser,
  type Query,
  type QueryMatch,
} from '@vscode/tree-sitter-wasm';
import { type Grammar, queries } from '../languages.ts';
import { type SourceSymbol, type SourceSymbols, SymbolKind } from '../source-symbols.ts';

/** Limits of what is kept of one file. */
const max = { symbols: 2_000, names: 1_500, nameChars: 100, signatureChars: 200 } as const;

const loaded = new Map<Grammar, Promise<{ language: Language; query: Query }>>();
let parser: Promise<Parser> | undefined;

/** Returns the folder of the grammars: beside the bundle, or in the package. */
function grammarFolder(): string {
  const bundled = join(import.meta.dirname, 'grammars');
  if (existsSync(bundled)) return bundled;
  return dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
}

async function start(): Promise<Parser> {
  await treeSitter.Parser.init({ locateFile: (file: string) => join(grammarFolder(), file) });
  return new treeSitter.Parser();
}

async function load(grammar: Grammar) {
  const language = await treeSitter.Language.load(join(grammarFolder(), `tree-sitter-${grammar}.wasm`));
  return { language, query: new treeSitter.Query(language, queries[grammar]) };
}

/** Returns the definitions and names of a source text. Of broken code, it returns what can be parsed. */
export async function parseSymbols(grammar: Grammar, text: string): Promise<SourceSymbols> {
  parser ??= start();
  const currentParser = await parser;
  let known = loaded.get(grammar);
  if (!known) {
    known = load(grammar);
    loaded.set(grammar, known);
  }
  const { language, query } = await known;
  currentParser.setLanguage(language);
  const tree = currentParser.parse(text);
  if (!tree) return { symbols: [], references: [] };
  try {
    return collect(query.matches(tree.rootNode, { matchLimit: 1_000 }), query.captureNames.includes('imported'), text);
  } finally {
    tree.delete();
  }
}

function collect(matches: readonly QueryMatch[], hasImports: boolean, text: string): SourceSymbols {
  const symbols = new Map<number, SourceSymbol>();
  const imported = new Set<string>();
  for (const { captures } of matches) {
    const name = captures.find((capture) => capture.name === 'name')?.node;
    for (const capture of captures) {
      if (capture.name === 'imported') imported.add(capture.node.text);
      if (!name || capture.name === 'name' || isLocal(capture.node)) continue;
      const kind = SymbolKind.parse(capture.name);
      const earlier = symbols.get(name.startIndex);
      // If several patterns match a name, the most specific kind wins.
      if (earlier ? rankOf(kind) <= rankOf(earlier.kind) : symbols.size >= max.symbols) continue;
      if (name.text === '' || name.text.length > max.nameChars) continue;
      symbols.set(name.startIndex, {
        name: name.text,
        kind,
        line: name.startPosition.row + 1,
        endLine: capture.node.endPosition.row + 1,
        signature: signatureOf(capture.node, name, kind, text),
      });
    }
  }
  const references = new Map<string, number>();
  for (const { captures } of matches) {
    for (const { name, node } of captures) {
      // The definition itself is not a reference.
      if (name === 'reference' && !symbols.has(node.startIndex)) count(references, node.text);
    }
  }
  return {
    symbols: [...symbols.values()].sort((a, b) => a.line - b.line),
    references: [...references].map(([name, times]) => [name, times, !hasImports || imported.has(name)]),
  };
}

/** Matches types of nodes whose inner definitions are local. */
const bodies = /^(function|method|generator|arrow|lambda|closure|constructor|func_literal|singleton_method)/;

/** Returns whether a node is inside a function, so that no other file can refer to it. */
function isLocal(node: Node): boolean {
  for (let above = node.parent; above; above = above.parent) if (bodies.test(above.type)) return true;
  return false;
}

/** Kinds from the least to the third most specific; all other kinds are more specific. */
const byRank: readonly SymbolKind[] = ['variable', 'type', 'function', 'method'];

function rankOf(kind: SymbolKind): number {
  const at = byRank.indexOf(kind);
  return at < 0 ? byRank.length : at;
}

function count(references: Map<string, number>, name: string): void {
  const before = references.get(name);
  if (before === undefined && (references.size >= max.names || name.length > max.nameChars)) return;
  references.set(name, (before ?? 0) + 1);
}

/** Returns the text of a definition up to its body or value, or else its first line. */
function signatureOf(node: Node, name: Node, kind: SymbolKind, text: string): string {
  const declarator = name.parent ?? node;
  // Of several variables in one statement, only the first begins with the statement.
  if (kind === 'variable' && declarator.previousNamedSibling && declarator.parent?.id === node.id) return name.text;
  const body = kind === 'variable' ? boundTo(declarator) : bodyOf(node, declarator);
  const firstLine = text.indexOf('\n', node.startIndex);
  const end = body && body.startIndex > node.startIndex ? body.startIndex : firstLine < 0 ? node.endIndex : firstLine;
  const part = text.slice(node.startIndex, Math.min(end, node.endIndex, node.startIndex + 4 * max.signatureChars));
  const line = part.replace(/\s+/g, ' ').replace(/\s*(=>|[{:=;])?\s*$/, '');
  return line.length > max.signatureChars ? `${line.slice(0, max.signatureChars - 3).toWellFormed()}...` : line;
}

function bodyOf(node: Node, declarator: Node): Node | null {
  const inner = declarator.childForFieldName('value') ?? declarator.childForFieldName('type');
  return (
    node.childForFieldName('body') ?? declarator.childForFieldName('body') ?? inner?.childForFieldName('body') ?? null
  );
}

/** Returns the value of a variable, which signatures leave out because it may be a secret. */
function boundTo(declarator: Node): Node | null {
  return declarator.childForFieldName('value') ?? declarator.childForFieldName('right');
}
