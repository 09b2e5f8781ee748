import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findSymbols } from '../../server/src/actions/symbols/find.ts';
import { type Grammar, grammarOf } from '../../server/src/actions/symbols/languages.ts';
import { repositoryMap } from '../../server/src/actions/symbols/map.ts';
import { ParseThread } from '../../server/src/actions/symbols/parse-thread.ts';
import { ProjectSymbols, type SourceFolder } from '../../server/src/actions/symbols/project-symbols.ts';
import { type RankedFile, ReferenceGraph } from '../../server/src/actions/symbols/rank.ts';
import type { SourceSymbol } from '../../server/src/actions/symbols/source-symbols.ts';
import { samples } from './symbol-samples.ts';

const { signal: never } = new AbortController();

describe('definitions', { timeout: 60_000 }, () => {
  let thread: ParseThread;
  beforeAll(() => {
    thread = new ParseThread();
  });
  afterAll(() => thread[Symbol.asyncDispose]());
  const found = async (grammar: Grammar, text: string) => {
    const { symbols, references } = await thread.parse(grammar, text, never);
    return {
      symbols: symbols.map(
        ({ line, endLine, kind, name, signature }) => `${line}-${endLine} ${kind} ${name} | ${signature}`,
      ),
      uses: Object.fromEntries(references.map(([name, times, likely]) => [name, likely ? times : -times])),
    };
  };

  it.each(samples)('definitions of $grammar: $title', async ({ grammar, text, symbols, uses }) => {
    const result = await found(grammar, text);
    expect(result.symbols).toEqual(symbols);
    expect(result.uses).toMatchObject(uses);
  });

  it('definitions are found in broken code as far as it can be parsed', async () => {
    const { symbols } = await found('python', 'def whole(a):\n    return (\n\nclass Other(:\n  def met');
    expect(symbols.join('\n')).toContain('function whole');
    expect((await found('typescript', 'export class A { go( { \n}}} interface')).symbols).toBeInstanceOf(Array);
    expect((await found('go', '\0\ud800 \u{1f600} func main() {')).symbols).toBeInstanceOf(Array);
    expect(await found('rust', '')).toEqual({ symbols: [], uses: {} });
  });

  it('a hostile file is given up in time, and the next file is parsed', async () => {
    await using impatient = new ParseThread({ fileMs: 400 });
    const started = performance.now();
    const deep = await impatient.parse('javascript', '[('.repeat(250_000), never);
    expect(deep).toEqual({ symbols: [], references: [] });
    expect(performance.now() - started).toBeLessThan(20_000);
    await using patient = new ParseThread({ fileMs: 30_000 });
    const line = await patient.parse('javascript', `const a = [${'0,'.repeat(250_000)}];`, never);
    expect(line.symbols.map(({ signature }) => signature)).toEqual(['const a']);
    const names = Array.from({ length: 20_000 }, (_, at) => `function f${at}() { g${at}() }`).join(' ');
    const many = await patient.parse('javascript', names, never);
    expect(many.symbols).toHaveLength(2_000);
    expect(many.references.length).toBeLessThanOrEqual(1_500);
  });

  it('a file is not parsed after its caller has aborted', async () => {
    await expect(thread.parse('go', 'package a', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });

  it('definitions are taken from source files, not from generated ones', () => {
    expect(['a.ts', 'b/c.PY', 'x.d.mts', 'jquery.min.js', 'a.md', 'constructor', 'x.toString'].map(grammarOf)).toEqual([
      'typescript',
      'python',
      'typescript',
      null,
      null,
      null,
      null,
    ]);
  });
});

const symbol = (name: string, kind: SourceSymbol['kind'] = 'function', line = 1): SourceSymbol => ({
  name,
  kind,
  line,
  endLine: line + 1,
  signature: `${kind} ${name}`,
});
const file = (path: string, defines: string[], uses: string[]): RankedFile => ({
  path,
  defines: defines.map((name) => symbol(name)),
  references: uses.map((name) => [name, 1, true]),
});

describe('the map', () => {
  const files = [
    file('core.ts', ['openStore', 'Store'], []),
    file('shop.ts', ['sellItem'], ['openStore', 'Store']),
    file('web.ts', ['showPage'], ['sellItem', 'openStore']),
    file('cli.ts', ['runCommand'], ['openStore']),
    file('lonely.ts', ['neverUsed'], ['neverUsed']),
  ];

  it('the map ranks definitions by uses in files that are used themselves', () => {
    const ranks = new ReferenceGraph(files).rank();
    expect([...ranks].sort(([, a], [, b]) => b - a).map(([key]) => key)).toEqual([
      'core.ts\nopenStore',
      'shop.ts\nsellItem',
      'core.ts\nStore',
    ]);
    expect(new ReferenceGraph(files).rank()).toEqual(ranks);
  });

  it('the map begins with definitions that the files of the conversation use', () => {
    const ranks = new ReferenceGraph(files).rank(new Set(['web.ts']));
    const [shop = 0, store = 0] = ['shop.ts\nsellItem', 'core.ts\nStore'].map((key) => ranks.get(key));
    expect(shop).toBeGreaterThan(store);
  });

  it('the map does not count everyday words as references', () => {
    const words = [file('paths.ts', ['path', 'readFile'], []), file('a.ts', ['main'], ['path', 'readFile'])];
    const ranks = new ReferenceGraph(words).rank();
    expect(ranks.get('paths.ts\nreadFile')).toBeGreaterThan(10 * (ranks.get('paths.ts\npath') ?? 0));
  });

  it('the map stays within its budget and has a stable order', () => {
    const many = Array.from({ length: 500 }, (_, at) => ({
      ...symbol(`symbol${at}`, 'function', at + 1),
      path: `src/file${at % 50}.ts`,
      rank: 1 / (at + 1),
    }));
    const map = repositoryMap(many, 300);
    expect(map.length).toBeLessThanOrEqual(300 * 3.5);
    expect(map.length).toBeGreaterThan(300 * 2.5);
    expect(repositoryMap(many.toReversed(), 300)).toBe(map);
    expect(map).toContain('src/file0.ts:\n    1 function symbol0');
    expect(repositoryMap(many, 0)).toBe('');
    expect(repositoryMap([], 1_500)).toBe('');
  });
});

describe('a search by name', () => {
  const all = [
    { ...symbol('readFile'), path: 'src/a.ts' },
    { ...symbol('readFileNow'), path: 'src/a.ts' },
    { ...symbol('tryReadFile', 'method'), path: 'test/b.ts' },
    { ...symbol('READ_FILE', 'variable'), path: 'src/c.ts' },
    { ...symbol('reticulateFolder'), path: 'src/c.ts' },
  ];
  const names = (asked: Parameters<typeof findSymbols>[1], limit = 10) =>
    findSymbols(all, asked, limit).map(({ name }) => name);

  it('a search by name ranks exact matches, then other cases, prefixes and parts', () => {
    expect(names({ query: 'readFile' })).toEqual(['readFile', 'READ_FILE', 'readFileNow', 'tryReadFile']);
    expect(names({ query: 'read_file' })).toEqual(['READ_FILE', 'readFile', 'readFileNow', 'tryReadFile']);
    expect(names({ query: 'rdfl' })).toContain('readFile');
    expect(names({ query: '.*' })).toEqual([]);
    expect(names({ query: 'readFile' }, 1)).toEqual(['readFile']);
  });

  it('a search by name can be limited to a kind and a folder', () => {
    expect(names({ query: 'readFile', kind: 'method' })).toEqual(['tryReadFile']);
    expect(names({ query: 'readFile', path: './src/' })).toEqual(['readFile', 'READ_FILE', 'readFileNow']);
    expect(names({ query: 'readFile', path: 'src/c' })).toEqual([]);
    expect(names({ query: 'readFile', path: '.' })).toHaveLength(4);
  });
});

describe('a project', { timeout: 60_000 }, () => {
  /** A folder in memory that counts reads. */
  const folderOf = (texts: Record<string, string | null>) => {
    const reads: string[] = [];
    const folder: SourceFolder = {
      list: async () => ({
        entries: Object.entries(texts).map(([path, text]) => ({
          path,
          kind: 'file',
          bytes: text?.length ?? 3_000_000,
          modified: text?.length ?? 0,
        })),
        truncated: false,
      }),
      read: async (path) => {
        reads.push(path);
        const text = texts[path];
        if (text === undefined || text === null) throw new Error(`${path} must not be read`);
        return { kind: 'text', text, encoding: 'utf8', hash: '0'.repeat(64), dirty: false };
      },
    };
    return { folder, reads };
  };

  it('a project is read once, and changed files again', async () => {
    const texts: Record<string, string | null> = { 'a.py': 'def one(): pass', 'b.py': 'one()', 'huge.py': null };
    const { folder, reads } = folderOf(texts);
    await using symbols = new ProjectSymbols();
    expect(symbols.current('p')).toBeNull();
    const first = await symbols.fresh('p', folder, never);
    expect([...first.symbols()].map(({ name }) => name)).toEqual(['one']);
    expect(first.uses('one')).toBe(1);
    expect(await symbols.fresh('p', folder, never)).toBe(first);
    expect(reads.toSorted()).toEqual(['a.py', 'b.py']);
    texts['b.py'] = 'one(); one()';
    texts['c.py'] = 'class Two: pass';
    delete texts['a.py'];
    const second = await symbols.fresh('p', folder, never);
    expect(reads.slice(2).toSorted()).toEqual(['b.py', 'c.py']);
    expect([...second.symbols()].map(({ name }) => name)).toEqual(['Two']);
    expect(second.uses('one')).toBe(2);
  });

  it('a project whose window is gone keeps its index, and the failure is reported', async () => {
    const { folder } = folderOf({ 'a.py': 'def one(): pass' });
    await using symbols = new ProjectSymbols();
    const before = await symbols.fresh('p', folder, never);
    const list = () => Promise.reject(new Error('no window'));
    await expect(symbols.fresh('p', { ...folder, list }, never)).rejects.toThrow('no window');
    expect(symbols.current('p')).toBe(before);
    expect(await symbols.fresh('p', folder, never)).toBe(before);
  });

  it('a caller that aborts does not wait for the scan of a project', async () => {
    const { folder } = folderOf({});
    const { promise } = Promise.withResolvers<never>();
    await using symbols = new ProjectSymbols();
    const waiting = symbols.fresh('p', { ...folder, list: () => promise }, AbortSignal.timeout(50));
    await expect(waiting).rejects.toThrow();
  });
});
