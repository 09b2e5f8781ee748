import { createHash } from 'node:crypto';
import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { LRUCache } from 'lru-cache';
import type { Workspace } from '../../workspace/workspace.ts';
import type { FoundSymbol } from './find.ts';
import { type Grammar, grammarOf, maxSourceBytes } from './languages.ts';
import { type RankedSymbol, repositoryMap } from './map.ts';
import { ParseThread } from './parse-thread.ts';
import { ReferenceGraph } from './rank.ts';
import type { SourceSymbols } from './source-symbols.ts';

/** Limits of what is kept in memory. */
const max = { projects: 8, files: 3_000, references: 400_000, texts: 6_000 } as const;
/** Time limit of one scan of a project, in milliseconds. It keeps what it has found, and the next scan continues. */
const scanTimeoutMs = 60_000;
/** Number of files requested in parallel, low enough that other requests to the window do not wait behind them. */
const readConcurrency = 4;

type ListedFile = EditorAnswerOf<'list'>['entries'][number];

/** The part of a workspace that a scan uses. */
export type SourceFolder = Pick<Workspace, 'list' | 'read'>;

/** A source file that was scanned. */
interface KnownFile {
  /** Identifies the version of the file without reading it; null if the file must be read. */
  readonly stamp: string | null;
  readonly found: SourceSymbols;
}

/** The definitions of a project at one point in time. */
export class SymbolIndex {
  readonly #files: ReadonlyMap<string, KnownFile>;
  #ranking: Ranking | undefined;
  /** Cache of the map without focus, with which most conversations begin. */
  #unfocusedMap: { readonly tokens: number; readonly text: string } | undefined;
  #uses: Map<string, number> | undefined;

  constructor(files: ReadonlyMap<string, KnownFile>) {
    this.#files = files;
  }

  /** Number of source files. */
  get files(): number {
    return this.#files.size;
  }

  /** Iterates over all definitions. */
  *symbols(): Generator<FoundSymbol> {
    for (const [path, { found }] of this.#files) for (const symbol of found.symbols) yield { ...symbol, path };
  }

  /** Returns how often a name occurs in the project, apart from its definitions. */
  uses(name: string): number {
    if (!this.#uses) {
      this.#uses = new Map();
      for (const { found } of this.#files.values())
        for (const [used, times] of found.references) this.#uses.set(used, (this.#uses.get(used) ?? 0) + times);
    }
    return this.#uses.get(name) ?? 0;
  }

  /** Returns the repository map of at most `tokens` tokens. Definitions relevant to the files in `focus` come first. */
  map(tokens: number, focus: ReadonlySet<string> = new Set()): string {
    if (focus.size === 0 && this.#unfocusedMap?.tokens === tokens) return this.#unfocusedMap.text;
    const { graph, byKey } = this.#prepared();
    const best = [...graph.rank(focus)].sort(([, a], [, b]) => b - a);
    const ranked: RankedSymbol[] = [];
    // Each line takes more than one token, so that no more than `tokens` lines fit.
    for (const [key, rank] of best.slice(0, tokens)) {
      const symbol = byKey.get(key);
      if (symbol) ranked.push({ ...symbol, rank });
    }
    const text = repositoryMap(ranked, tokens);
    if (focus.size === 0) this.#unfocusedMap = { tokens, text };
    return text;
  }

  #prepared(): Ranking {
    if (this.#ranking) return this.#ranking;
    const byKey = new Map<string, FoundSymbol>();
    for (const symbol of this.symbols()) {
      const key = `${symbol.path}\n${symbol.name}`;
      // Overloads count as one definition.
      if (!byKey.has(key)) byKey.set(key, symbol);
    }
    const files = [...this.#files].map(([path, { found }]) => ({
      path,
      defines: found.symbols,
      references: found.references,
    }));
    this.#ranking = { graph: new ReferenceGraph(files), byKey };
    return this.#ranking;
  }
}

/** The prepared ranking of an index. */
interface Ranking {
  readonly graph: ReferenceGraph;
  /** Definitions by the key of the graph: path and name. */
  readonly byKey: ReadonlyMap<string, FoundSymbol>;
}

/** A project with its index and its scans. */
class IndexedProject {
  files: ReadonlyMap<string, KnownFile> = new Map();
  index: SymbolIndex | null = null;
  /** Settles when the running scan ends. */
  looking: Promise<void> | undefined;
  /** Settles when the scan after it ends. */
  next: Promise<void> | undefined;
}

/**
 * The definitions of the projects with open windows. A file is parsed again when its entry in the window's list and
 * the hash of its text have changed. Everything is kept in memory.
 */
export class ProjectSymbols implements AsyncDisposable {
  readonly #projects = new LRUCache<string, IndexedProject>({ max: max.projects });
  /** Parse results by grammar and hash of the text. */
  readonly #texts = new LRUCache<string, SourceSymbols>({ max: max.texts });
  readonly #thread = new ParseThread();
  readonly #stop = new AbortController();

  /** Returns the current index, or null before the first scan of the project has ended. */
  current(projectId: string): SymbolIndex | null {
    return this.#projects.get(projectId)?.index ?? null;
  }

  /** Scans the project in the background and prepares its map of `tokens` tokens, so that no request waits for it. */
  refresh(projectId: string, tokens: number, open: (signal: AbortSignal) => Promise<SourceFolder>): void {
    const scan = async () => {
      const index = await this.fresh(projectId, await open(this.#stop.signal), this.#stop.signal);
      index.map(tokens);
    };
    // Failures are ignored: the next window or conversation tries again.
    scan().catch(() => undefined);
  }

  /** Scans the project in its current state. Rejects with the signal's reason, or a `ProblemError` of the window. */
  async fresh(projectId: string, workspace: SourceFolder, signal: AbortSignal): Promise<SymbolIndex> {
    const project = this.#project(projectId);
    // A running scan may already have passed a file that has changed since, so another one follows it.
    project.next ??= (project.looking ?? Promise.resolve()).then(async () => {
      project.looking = project.next;
      project.next = undefined;
      try {
        await this.#scan(project, workspace);
      } finally {
        project.looking = undefined;
      }
    });
    const scan = project.next;
    await untilAborted(scan, signal);
    return project.index ?? new SymbolIndex(new Map());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#thread[Symbol.asyncDispose]();
  }

  #project(projectId: string): IndexedProject {
    const project = this.#projects.get(projectId) ?? new IndexedProject();
    this.#projects.set(projectId, project);
    return project;
  }

  async #scan(project: IndexedProject, workspace: SourceFolder): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(scanTimeoutMs)]);
    const { entries } = await workspace.list({ path: '.', depth: 20, limit: 5_000 }, signal);
    const sources = entries
      .flatMap((entry) => {
        const grammar = entry.kind === 'file' && (entry.bytes ?? 0) <= maxSourceBytes ? grammarOf(entry.path) : null;
        return grammar ? [{ entry, grammar }] : [];
      })
      .sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1))
      .slice(0, max.files);
    const known = new Map<string, KnownFile>();
    const queue = sources.values();
    const work = async () => {
      for (const { entry, grammar } of queue) {
        // A file that could not be read in time keeps its previous result.
        const before = project.files.get(entry.path);
        const file = await this.#file(entry, grammar, before, workspace, signal).catch(() => before);
        if (file) known.set(entry.path, file);
      }
    };
    await Promise.all(Array.from({ length: readConcurrency }, work));
    let references = 0;
    const files = new Map<string, KnownFile>();
    let changed = project.index === null || known.size !== project.files.size;
    for (const { entry } of sources) {
      const file = known.get(entry.path);
      if (!file) continue;
      references += file.found.references.length;
      const kept = references > max.references ? { ...file, found: { ...file.found, references: [] } } : file;
      files.set(entry.path, kept);
      changed ||= project.files.get(entry.path)?.found !== file.found;
    }
    project.files = files;
    // An unchanged index keeps its ranking.
    if (changed) project.index = new SymbolIndex(files);
  }

  async #file(
    { path, bytes, modified }: ListedFile,
    grammar: Grammar,
    before: KnownFile | undefined,
    workspace: SourceFolder,
    signal: AbortSignal,
  ): Promise<KnownFile | undefined> {
    const stamp = modified === undefined || modified === null ? null : `${modified} ${bytes}`;
    if (before && stamp !== null && before.stamp === stamp) return before;
    const file = await workspace.read(path, signal);
    if (file.kind !== 'text' || file.text.length > maxSourceBytes) return undefined;
    const key = `${grammar} ${createHash('sha256').update(file.text).digest('base64')}`;
    let found = this.#texts.get(key);
    if (!found) {
      found = await this.#thread.parse(grammar, file.text, signal);
      this.#texts.set(key, found);
    }
    return { stamp: file.dirty ? null : stamp, found };
  }
}
