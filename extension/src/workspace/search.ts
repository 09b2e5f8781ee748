import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { expandBraces } from '@devlm/workspace-core/braces.ts';
import type { IgnoredPaths } from '@devlm/workspace-core/ignored-paths.ts';
import { LineSearch, type SearchedText } from '@devlm/workspace-core/line-search.ts';
import { Matches } from '@devlm/workspace-core/matches.ts';
import { PathFilter } from '@devlm/workspace-core/path-filter.ts';
import { searchTimedOut } from '@devlm/workspace-core/search-problems.ts';
import { searchedText } from '@devlm/workspace-core/searched-text.ts';
import * as vscode from 'vscode';
import { hiddenGlobs, ignoredIn } from './ignored.ts';
import { walk } from './list.ts';
import { type Folder, pathOf } from './places.ts';
import { usualEncoding } from './read.ts';
import { type Line, ripgrep } from './ripgrep.ts';

type SearchRequest = Omit<Extract<EditorRequest, { kind: 'search' }>, 'id' | 'kind'>;

/** Maximum duration of a search, in milliseconds. */
const searchMs = 20_000;
/** Maximum number of files searched without ripgrep. */
const maxFiles = 10_000;
/** Maximum size of a file searched without ripgrep, in bytes. */
const maxFileBytes = 1024 * 1024;
/** Maximum total size of the files searched without ripgrep, in bytes. */
const maxBytes = 128 * 1024 * 1024;
/** Number of files that are read before they are searched together. */
const batchSize = 64;
/** Maximum number of unsaved documents that are searched. */
const maxUnsaved = 100;
/** Settings with the globs that a search excludes besides ignored files. */
const excludeSettings = ['files.exclude', 'search.exclude'];

/**
 * Returns the matching lines, sorted by path and line. Unsaved documents are searched with their unsaved text.
 * Ignored files are excluded.
 *
 * @param program path of ripgrep; without it a slower search in JavaScript runs
 * @throws ProblemError `invalid_pattern`, `search_timeout`
 */
export async function searchFiles(
  request: SearchRequest,
  folders: readonly Folder[],
  program: string | undefined,
  signal: AbortSignal,
): Promise<EditorAnswerOf<'search'>> {
  const deadline = AbortSignal.timeout(searchMs);
  const matches = new Matches(request.limit);
  const stop = AbortSignal.any([signal, deadline]);
  try {
    for (const folder of folders) {
      if (matches.isFull) break;
      const target = await targetOf(request, folder, folders);
      const local = folder.uri.scheme === 'file' ? program : undefined;
      await (local
        ? withRipgrep(local, request, target, matches, stop)
        : withoutRipgrep(request, target, matches, stop));
    }
  } catch (error) {
    signal.throwIfAborted();
    // Matches that were found before the deadline are still useful.
    if (!deadline.aborted) throw error;
    if (error instanceof ProblemError) throw error;
    if (matches.isEmpty) throw searchTimedOut();
    matches.markIncomplete();
  }
  return matches.answer();
}

/** The scope of a search in a single folder. */
interface Target {
  readonly folder: Folder;
  readonly ignored: IgnoredPaths;
  /** The paths that the globs of the request select, relative to the folder. */
  readonly selected: PathFilter;
  /** Text of unsaved documents by path relative to the folder. */
  readonly unsaved: ReadonlyMap<string, string>;
  /** Returns the path as it appears in the response. */
  readonly name: (path: string) => string;
}

async function targetOf({ include }: SearchRequest, folder: Folder, folders: readonly Folder[]): Promise<Target> {
  const ignored = ignoredIn(folder.uri, excludeSettings);
  const unsaved = new Map<string, string>();
  for (const document of vscode.workspace.textDocuments) {
    if (!document.isDirty || document.isClosed || unsaved.size >= maxUnsaved) continue;
    const path = pathOf(document.uri, [folder]);
    // Skip documents that belong to an inner folder if one contains another.
    if (path === undefined || pathOf(document.uri, folders) !== nameIn(folder, folders, path)) continue;
    if (await ignored.has(path, false)) continue;
    unsaved.set(path, document.getText());
  }
  return { folder, ignored, selected: new PathFilter(include), unsaved, name: (path) => nameIn(folder, folders, path) };
}

function nameIn(folder: Folder, folders: readonly Folder[], path: string): string {
  return folders.length > 1 ? `${folder.name}/${path}` : path;
}

/** Returns the globs of ripgrep for what settings hide. Theirs start at the workspace folder. */
function hiddenAt(folder: Folder): string[] {
  const globs = hiddenGlobs(folder.uri, excludeSettings).flatMap(expandBraces);
  return globs.map((glob) => (glob.startsWith('/') ? glob : `/${glob}`));
}

/** Returns the globs of ripgrep for a glob of `PathFilter`: the path itself, and what is below it. */
function withContent(glob: string): string[] {
  const path = glob.replace(/\/$/, '');
  return [glob, `${path.includes('/') ? path : `**/${path}`}/**`];
}

async function withRipgrep(
  program: string,
  request: SearchRequest,
  target: Target,
  matches: Matches,
  signal: AbortSignal,
): Promise<void> {
  const { selected, folder } = target;
  const common = { ...request, program, folder: folder.uri.fsPath, signal };
  for (const [path, text] of target.unsaved) {
    if (matches.isFull) return;
    if (!target.selected.has(path)) continue;
    const onLine = (line: Line) => matches.add({ ...line, path: target.name(path) });
    await ripgrep({ ...common, include: [], input: text, onLine });
  }
  const candidates: Line[] = [];
  // Including globs also include ignored files, which are dropped below: ask for some more.
  const maxCandidates = request.include.length > 0 ? 20 * request.limit : request.limit + 1;
  await ripgrep({
    ...common,
    include: selected.include.flatMap(withContent),
    exclude: [...selected.exclude.flatMap(withContent), ...hiddenAt(folder)],
    encoding: usualEncoding(folder.uri),
    onLine: (line) => {
      if (!target.unsaved.has(line.path) && selected.has(line.path)) candidates.push(line);
      return candidates.length < maxCandidates;
    },
  });
  for (const line of candidates) {
    if (await target.ignored.has(line.path, false)) continue;
    if (!matches.add({ ...line, path: target.name(line.path) })) return;
  }
}

async function withoutRipgrep(
  request: SearchRequest,
  target: Target,
  matches: Matches,
  signal: AbortSignal,
): Promise<void> {
  await using lines = new LineSearch(request, request.limit, signal);
  const scan = async (texts: readonly SearchedText[]) => {
    for (const line of await lines.find(texts)) {
      if (!matches.add({ ...line, path: target.name(line.path) })) return;
    }
  };
  await scan([...target.unsaved].filter(([path]) => target.selected.has(path)).map(([path, text]) => ({ path, text })));
  const uris: vscode.Uri[] = [];
  const visit = ({ uri, kind }: { uri: vscode.Uri; kind: 'file' | 'folder' }) => {
    const path = pathOf(uri, [target.folder]) ?? '';
    if (kind === 'file' && target.selected.has(path) && !target.unsaved.has(path)) uris.push(uri);
    return uris.length < maxFiles;
  };
  await walk(target.folder.uri, target.folder, 100, visit, excludeSettings, signal);
  let bytes = 0;
  for (let i = 0; i < uris.length && !matches.isFull && bytes < maxBytes; i += batchSize) {
    const texts = await Promise.all(uris.slice(i, i + batchSize).map(readText));
    const files = uris.slice(i, i + batchSize).flatMap((uri, at) => {
      const text = texts[at];
      return text === undefined ? [] : [{ path: pathOf(uri, [target.folder]) ?? '', text }];
    });
    bytes += files.reduce((sum, { text }) => sum + text.length, 0);
    await scan(files);
  }
  if (uris.length >= maxFiles || bytes >= maxBytes) matches.markIncomplete();
}

async function readText(uri: vscode.Uri): Promise<string | undefined> {
  try {
    const { size, type } = await vscode.workspace.fs.stat(uri);
    if (type !== vscode.FileType.File || size > Math.min(maxFileBytes, limits.fileBytes)) return undefined;
    return searchedText(await vscode.workspace.fs.readFile(uri)) ?? undefined;
  } catch {
    return undefined;
  }
}
