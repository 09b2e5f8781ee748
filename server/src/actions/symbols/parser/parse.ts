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

/** Bounds of what is kept of one file. */
const most = { symbols: 2_000, names: 1_500, nameChars: 100, signatureChars: 200 } as const;

const loaded = new Map<Grammar, Promise<{ language: Language; query: Query }>>();
let parser: Promise<Parser> | undefined;

/** Beside the bundle, or in the package. */
function folder(): string {
  const bundled = join(import.meta.dirname, 'grammars');
  if (existsSync(bundled)) return bundled;
  return dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
}

async function start(): Promise<Parser> {
  await treeSitter.Parser.init({ locateFile: (file: string) => join(folder(), file) });
  return new treeSitter.Parser();
}

async function load(grammar: Grammar) {
  const language = await treeSitter.Language.load(join(folder(), `tree-sitter-${grammar}.wasm`));
  return { language, query: new treeSitter.Query(language, queries[grammar]) };
}

/** What a source text defines and names. Broken code gives what can be made out. */
export async function parseSymbols(grammar: Grammar, text: string): Promise<SourceSymbols> {
  parser ??= start();
  const own = await parser;
  let known = loaded.get(grammar);
  if (!known) {
    known = load(grammar);
    loaded.set(grammar, known);
  }
  const { language, query } = await known;
  own.setLanguage(language);
  const tree = own.parse(text);
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
      // A name that several patterns find is the most special of what they say.
      if (earlier ? rankOf(kind) <= rankOf(earlier.kind) : symbols.size >= most.symbols) continue;
      if (name.text === '' || name.text.length > most.nameChars) continue;
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
      // The definition itself is no reference.
      if (name === 'reference' && !symbols.has(node.startIndex)) count(references, node.text);
    }
  }
  return {
    symbols: [...symbols.values()].sort((a, b) => a.line - b.line),
    references: [...references].map(([name, times]) => [name, times, !hasImports || imported.has(name)]),
  };
}

const bodies = /^(function|method|generator|arrow|lambda|closure|constructor|func_literal|singleton_method)/;

/** Inside of a function: nobody else can mean it. */
function isLocal(node: Node): boolean {
  for (let above = node.parent; above; above = above.parent) if (bodies.test(above.type)) return true;
  return false;
}

const special: readonly SymbolKind[] = ['variable', 'type', 'function', 'method'];

function rankOf(kind: SymbolKind): number {
  const at = special.indexOf(kind);
  return at < 0 ? special.length : at;
}

function count(references: Map<string, number>, name: string): void {
  const before = references.get(name);
  if (before === undefined && (references.size >= most.names || name.length > most.nameChars)) return;
  references.set(name, (before ?? 0) + 1);
}

/** From the beginning of a definition to its body or value, else its first line. */
function signatureOf(node: Node, name: Node, kind: SymbolKind, text: string): string {
  const own = name.parent ?? node;
  // Of several in one statement only the first begins with it.
  if (kind === 'variable' && own.previousNamedSibling && own.parent?.id === node.id) return name.text;
  const body = kind === 'variable' ? boundTo(own) : bodyOf(node, own);
  const firstLine = text.indexOf('\n', node.startIndex);
  const end = body && body.startIndex > node.startIndex ? body.startIndex : firstLine < 0 ? node.endIndex : firstLine;
  const part = text.slice(node.startIndex, Math.min(end, node.endIndex, node.startIndex + 4 * most.signatureChars));
  const line = part.replace(/\s+/g, ' ').replace(/\s*(=>|[{:=;])?\s*$/, '');
  return line.length > most.signatureChars ? `${line.slice(0, most.signatureChars - 3).toWellFormed()}...` : line;
}

function bodyOf(node: Node, own: Node): Node | null {
  const inner = own.childForFieldName('value') ?? own.childForFieldName('type');
  return node.childForFieldName('body') ?? own.childForFieldName('body') ?? inner?.childForFieldName('body') ?? null;
}

/** What a variable is set to is left out: it may be a secret. */
function boundTo(own: Node): Node | null {
  return own.childForFieldName('value') ?? own.childForFieldName('right');
}
