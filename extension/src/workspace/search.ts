import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { contentOf } from '../editor/content.ts';
import { IgnoreRules } from './ignore-rules.ts';
import { hiddenGlobs, Ignored } from './ignored.ts';
import { walk } from './list.ts';
import { type Folder, pathOf } from './places.ts';
import { refusals } from './problems.ts';
import { usualEncoding } from './read.ts';
import { firstLine, type Line, ripgrep } from './ripgrep.ts';
import { Scanner } from './scanner.ts';

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
      if (matches.full) break;
      const target = await targetOf(request, folder, folders);
      const local = folder.uri.scheme === 'file' ? program : undefined;
      await (local ? withRipgrep(local, request, target, matches, stop) : withScanner(request, target, matches, stop));
    }
  } catch (error) {
    signal.throwIfAborted();
    // Matches that were found before the deadline are still useful.
    if (!deadline.aborted) throw error;
    if (error instanceof ProblemError) throw error;
    if (matches.isEmpty) throw refusals.searchTooLong();
    matches.full = true;
  }
  return matches.answer();
}

/** The scope of a search in a single folder. */
interface Target {
  readonly folder: Folder;
  readonly ignored: Ignored;
  readonly globs: ReturnType<typeof globsOf>;
  /** Returns whether the globs include a path, relative to the folder. */
  readonly included: (path: string) => boolean;
  /** Text of unsaved documents by path relative to the folder. */
  readonly unsaved: ReadonlyMap<string, string>;
  /** Returns the path as it appears in the response. */
  readonly name: (path: string) => string;
}

async function targetOf({ include }: SearchRequest, folder: Folder, folders: readonly Folder[]): Promise<Target> {
  const ignored = new Ignored(folder.uri, excludeSettings);
  const globs = globsOf(include);
  // A glob without a slash matches at any depth, as in .gitignore, both in ripgrep and here.
  const rulesOf = (patterns: readonly string[]) => new IgnoreRules(patterns.join('\n'));
  const [wanted, unwanted] = [rulesOf(globs.include), rulesOf(globs.exclude)];
  const included = (path: string) => (globs.include.length === 0 || wanted.covers(path)) && !unwanted.covers(path);
  const unsaved = new Map<string, string>();
  for (const document of vscode.workspace.textDocuments) {
    if (!document.isDirty || document.isClosed || unsaved.size >= maxUnsaved) continue;
    const path = pathOf(document.uri, [folder]);
    // Skip documents that belong to an inner folder if one contains another.
    if (path === undefined || pathOf(document.uri, folders) !== nameIn(folder, folders, path)) continue;
    if (await ignored.has(path, false)) continue;
    unsaved.set(path, document.getText());
  }
  return { folder, ignored, globs, included, unsaved, name: (path) => nameIn(folder, folders, path) };
}

function nameIn(folder: Folder, folders: readonly Folder[], path: string): string {
  return folders.length > 1 ? `${folder.name}/${path}` : path;
}

/** Returns the including globs, and the excluding ones (with `!`). A folder includes its contents. */
function globsOf(include: readonly string[]): { readonly include: string[]; readonly exclude: string[] } {
  const expanded = include.flatMap(expandBraces).map((glob) => glob.replace(/^(!?)\.\//, '$1'));
  const withContents = (globs: readonly string[]) =>
    globs.flatMap((glob) => (glob === '' || glob === '.' ? ['**'] : [glob, `${glob.replace(/\/$/, '')}/**`]));
  return {
    include: withContents(expanded.filter((glob) => !glob.startsWith('!'))),
    exclude: withContents(expanded.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))),
  };
}

/** Expands `*.{a,b}` to `*.a` and `*.b`. Nested braces are left as they are. */
function expandBraces(glob: string): string[] {
  const [group, choices = ''] = /\{([^{}]*)\}/.exec(glob) ?? [];
  if (group === undefined) return [glob];
  return choices
    .split(',')
    .slice(0, 50)
    .map((choice) => glob.replace(group, () => choice));
}

async function withRipgrep(
  program: string,
  request: SearchRequest,
  target: Target,
  matches: Matches,
  signal: AbortSignal,
): Promise<void> {
  const { globs, folder } = target;
  const common = { ...request, program, folder: folder.uri.fsPath, signal };
  for (const [path, text] of target.unsaved) {
    if (matches.full) return;
    if (!target.included(path)) continue;
    const onLine = (line: Line) => matches.add({ ...line, path: target.name(path) });
    await ripgrep({ ...common, include: [], input: text, onLine });
  }
  const candidates: Line[] = [];
  // Including globs also include ignored files, which are dropped below: ask for some more.
  const maxCandidates = request.include.length > 0 ? 20 * request.limit : request.limit + 1;
  await ripgrep({
    ...common,
    include: globs.include,
    exclude: [...globs.exclude, ...hiddenGlobs(folder.uri, excludeSettings)],
    encoding: usualEncoding(folder.uri),
    onLine: (line) => {
      if (!target.unsaved.has(line.path)) candidates.push(line);
      return candidates.length < maxCandidates;
    },
  });
  for (const line of candidates) {
    if (await target.ignored.has(line.path, false)) continue;
    if (!matches.add({ ...line, path: target.name(line.path) })) return;
  }
}

async function withScanner(
  request: SearchRequest,
  target: Target,
  matches: Matches,
  signal: AbortSignal,
): Promise<void> {
  await using scanner = new Scanner(request, request.limit, signal);
  const scan = async (files: readonly { path: string; text: string }[]) => {
    for (const line of await scanner.scan(files)) {
      if (!matches.add({ ...line, path: target.name(line.path), text: firstLine(line.text) })) return;
    }
  };
  await scan([...target.unsaved].filter(([path]) => target.included(path)).map(([path, text]) => ({ path, text })));
  const uris: vscode.Uri[] = [];
  const visit = ({ uri, kind }: { uri: vscode.Uri; kind: 'file' | 'folder' }) => {
    const path = pathOf(uri, [target.folder]) ?? '';
    if (kind === 'file' && target.included(path) && !target.unsaved.has(path)) uris.push(uri);
    return uris.length < maxFiles;
  };
  await walk(target.folder.uri, target.folder, 100, visit, excludeSettings, signal);
  let bytes = 0;
  for (let i = 0; i < uris.length && !matches.full && bytes < maxBytes; i += batchSize) {
    const texts = await Promise.all(uris.slice(i, i + batchSize).map(readText));
    const files = uris.slice(i, i + batchSize).flatMap((uri, at) => {
      const text = texts[at];
      return text === undefined ? [] : [{ path: pathOf(uri, [target.folder]) ?? '', text }];
    });
    bytes += files.reduce((sum, { text }) => sum + text.length, 0);
    await scan(files);
  }
  if (uris.length >= maxFiles || bytes >= maxBytes) matches.full = true;
}

async function readText(uri: vscode.Uri): Promise<string | undefined> {
  try {
    const { size, type } = await vscode.workspace.fs.stat(uri);
    if (type !== vscode.FileType.File || size > Math.min(maxFileBytes, limits.fileBytes)) return undefined;
    const bytes = await vscode.workspace.fs.readFile(uri);
    const [a, b] = bytes;
    if (a === 0xff && b === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
    if (a === 0xfe && b === 0xff) return new TextDecoder('utf-16be').decode(bytes);
    const content = contentOf(bytes);
    // Text that is neither UTF-8 nor binary is most often in a Western European encoding.
    if (content.kind === 'text') return content.text;
    return content.kind === 'binary' && !bytes.includes(0) ? new TextDecoder('windows-1252').decode(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** Matches up to a limit. */
class Matches {
  readonly #limit: number;
  readonly #found: Line[] = [];
  /** Whether there are more matches than the limit. */
  full = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** Adds a match. Returns whether more are wanted. */
  add(line: Line): boolean {
    if (this.#found.length >= this.#limit) this.full = true;
    else this.#found.push(line);
    return !this.full;
  }

  answer(): EditorAnswerOf<'search'> {
    const order = (a: Line, b: Line) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1);
    return { matches: this.#found.sort(order), truncated: this.full };
  }
}
