import { createHash } from 'node:crypto';
import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import type { FoundSymbol } from './find.ts';
import { type Grammar, grammarOf, maxSourceBytes } from './languages.ts';
import { type RankedSymbol, repositoryMap } from './map.ts';
import { ParseThread } from './parse-thread.ts';
import { ReferenceGraph } from './rank.ts';
import type { SourceSymbols } from './source-symbols.ts';

/** Bounds of what is kept. */
const most = { projects: 8, files: 3_000, references: 400_000, texts: 6_000 } as const;
/** One look through a project ends after this with what it has; the next one goes on. Milliseconds. */
const lookMs = 60_000;
/** Files that are asked for at once; other requests to the window shall not wait behind them. */
const atOnce = 4;

type ListedFile = EditorAnswerOf<'list'>['entries'][number];

/** What is looked through: a workspace, of which nothing but this is used. */
export type SourceFolder = Pick<Workspace, 'list' | 'read'>;

interface KnownFile {
  /** Says without reading whether it is the same; null: it has to be read. */
  readonly stamp: string | null;
  readonly found: SourceSymbols;
}

/** What is defined in a project, at one time. */
export class SymbolIndex {
  readonly #files: ReadonlyMap<string, KnownFile>;
  #ranking: Ranking | undefined;
  /** The map that most conversations begin with. */
  #plain: { readonly tokens: number; readonly text: string } | undefined;
  #uses: Map<string, number> | undefined;

  constructor(files: ReadonlyMap<string, KnownFile>) {
    this.#files = files;
  }

  get files(): number {
    return this.#files.size;
  }

  *symbols(): Generator<FoundSymbol> {
    for (const [path, { found }] of this.#files) for (const symbol of found.symbols) yield { ...symbol, path };
  }

  /** How often a name occurs in the project, its definitions left out. */
  uses(name: string): number {
    if (!this.#uses) {
      this.#uses = new Map();
      for (const { found } of this.#files.values())
        for (const [one, times] of found.references) this.#uses.set(one, (this.#uses.get(one) ?? 0) + times);
    }
    return this.#uses.get(name) ?? 0;
  }

  /** The repository map in at most so many tokens; what matters to the files in `focus` comes first. */
  map(tokens: number, focus: ReadonlySet<string> = new Set()): string {
    if (focus.size === 0 && this.#plain?.tokens === tokens) return this.#plain.text;
    const { graph, byKey } = this.#prepared();
    const best = [...graph.rank(focus)].sort(([, a], [, b]) => b - a);
    const ranked: RankedSymbol[] = [];
    // No line is so short that more of them would fit.
    for (const [key, rank] of best.slice(0, tokens)) {
      const symbol = byKey.get(key);
      if (symbol) ranked.push({ ...symbol, rank });
    }
    const text = repositoryMap(ranked, tokens);
    if (focus.size === 0) this.#plain = { tokens, text };
    return text;
  }

  #prepared(): Ranking {
    if (this.#ranking) return this.#ranking;
    const byKey = new Map<string, FoundSymbol>();
    for (const symbol of this.symbols()) {
      const key = `${symbol.path}\n${symbol.name}`;
      // Overloads are one.
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

interface Ranking {
  readonly graph: ReferenceGraph;
  /** Definitions by path and name, as the graph joins them. */
  readonly byKey: ReadonlyMap<string, FoundSymbol>;
}

class Project {
  files: ReadonlyMap<string, KnownFile> = new Map();
  index: SymbolIndex | null = null;
  /** The end of the look that is under way, and whether another one is to follow. */
  looking: Promise<void> | undefined;
  next: Promise<void> | undefined;
}

/**
 * The definitions of the projects whose windows are there. Files are parsed when they change, told by
 * what the window's list says of them and by the hash of their text; it is all in memory.
 */
export class ProjectSymbols implements AsyncDisposable {
  /** The one used last is the last. */
  readonly #projects = new Map<string, Project>();
  /** What texts hold, by grammar and hash; the oldest go first. */
  readonly #texts = new Map<string, SourceSymbols>();
  readonly #thread = new ParseThread();
  readonly #stop = new AbortController();

  /** What is known now; null before the first look through the project has ended. */
  current(projectId: string): SymbolIndex | null {
    return this.#projects.get(projectId)?.index ?? null;
  }

  /** Looks through the project in the background, and makes the map of so many tokens, for which nobody waits then. */
  refresh(projectId: string, tokens: number, open: (signal: AbortSignal) => Promise<SourceFolder>): void {
    const look = async () => {
      const index = await this.fresh(projectId, await open(this.#stop.signal), this.#stop.signal);
      index.map(tokens);
    };
    // Nobody asked for it: it is tried again with the next window or conversation.
    look().catch(() => undefined);
  }

  /** Looks through the project as it is now. Rejects with the signal's reason, or a `ProblemError` of the window's. */
  async fresh(projectId: string, workspace: SourceFolder, signal: AbortSignal): Promise<SymbolIndex> {
    const project = this.#project(projectId);
    // One that is under way may have passed by what has changed since.
    project.next ??= (project.looking ?? Promise.resolve()).then(async () => {
      project.looking = project.next;
      project.next = undefined;
      try {
        await this.#look(project, workspace);
      } finally {
        project.looking = undefined;
      }
    });
    const look = project.next;
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([look, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    return project.index ?? new SymbolIndex(new Map());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#thread[Symbol.asyncDispose]();
  }

  #project(projectId: string): Project {
    const project = this.#projects.get(projectId) ?? new Project();
    this.#projects.delete(projectId);
    this.#projects.set(projectId, project);
    const oldest = this.#projects.keys().next().value;
    if (this.#projects.size > most.projects && oldest !== undefined) this.#projects.delete(oldest);
    return project;
  }

  async #look(project: Project, workspace: SourceFolder): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(lookMs)]);
    const { entries } = await workspace.list({ path: '.', depth: 20, limit: 5_000 }, signal);
    const sources = entries
      .flatMap((entry) => {
        const grammar = entry.kind === 'file' && (entry.bytes ?? 0) <= maxSourceBytes ? grammarOf(entry.path) : null;
        return grammar ? [{ entry, grammar }] : [];
      })
      .sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1))
      .slice(0, most.files);
    const known = new Map<string, KnownFile>();
    const queue = sources.values();
    const work = async () => {
      for (const { entry, grammar } of queue) {
        // What could not be read in time stays as it was.
        const before = project.files.get(entry.path);
        const file = await this.#file(entry, grammar, before, workspace, signal).catch(() => before);
        if (file) known.set(entry.path, file);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    let references = 0;
    const files = new Map<string, KnownFile>();
    let changed = project.index === null || known.size !== project.files.size;
    for (const { entry } of sources) {
      const file = known.get(entry.path);
      if (!file) continue;
      references += file.found.references.length;
      const kept = references > most.references ? { ...file, found: { ...file.found, references: [] } } : file;
      files.set(entry.path, kept);
      changed ||= project.files.get(entry.path)?.found !== file.found;
    }
    project.files = files;
    // An index that is still right keeps its ranking.
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
      const oldest = this.#texts.keys().next().value;
      if (this.#texts.size > most.texts && oldest !== undefined) this.#texts.delete(oldest);
    }
    return { stamp: file.dirty ? null : stamp, found };
  }
}
