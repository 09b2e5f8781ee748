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

type Asked = Omit<Extract<EditorRequest, { kind: 'search' }>, 'id' | 'kind'>;

/** Longest search, milliseconds. */
const searchMs = 20_000;
/** Without ripgrep: most files that are looked through, and bytes of one and of all. */
const maxFiles = 10_000;
const maxFileBytes = 1024 * 1024;
const maxBytes = 128 * 1024 * 1024;
/** Files that are read before they are looked through together. */
const batch = 64;
/** Unsaved documents that are looked through. */
const maxUnsaved = 100;
/** What a search leaves out beside ignored files. */
const settings = ['files.exclude', 'search.exclude'];

/**
 * Lines that match, by path and line; what is not saved is searched as it is. Ignored files are left out.
 *
 * @param program ripgrep; without it a slower search of our own
 * @throws ProblemError `invalid_pattern`, `search_timeout`
 */
export async function searchFiles(
  asked: Asked,
  folders: readonly Folder[],
  program: string | undefined,
  signal: AbortSignal,
): Promise<EditorAnswerOf<'search'>> {
  const deadline = AbortSignal.timeout(searchMs);
  const found = new Matches(asked.limit);
  const stop = AbortSignal.any([signal, deadline]);
  try {
    for (const folder of folders) {
      if (found.full) break;
      const target = await targetOf(asked, folder, folders);
      const local = folder.uri.scheme === 'file' ? program : undefined;
      await (local ? withRipgrep(local, asked, target, found, stop) : withScanner(asked, target, found, stop));
    }
  } catch (error) {
    signal.throwIfAborted();
    // What was found in time is of use.
    if (!deadline.aborted) throw error;
    if (error instanceof ProblemError) throw error;
    if (found.isEmpty) throw refusals.searchTooLong();
    found.full = true;
  }
  return found.answer();
}

/** What is searched in one folder. */
interface Target {
  readonly folder: Folder;
  readonly ignored: Ignored;
  readonly globs: ReturnType<typeof globsOf>;
  /** Relative to the folder; whether the globs take it in. */
  readonly included: (path: string) => boolean;
  /** Unsaved documents, by path relative to the folder. */
  readonly unsaved: ReadonlyMap<string, string>;
  /** For the answer. */
  readonly name: (path: string) => string;
}

async function targetOf({ include }: Asked, folder: Folder, folders: readonly Folder[]): Promise<Target> {
  const ignored = new Ignored(folder.uri, settings);
  const globs = globsOf(include);
  // A glob without a slash fits at any depth, as in .gitignore, for ripgrep and here.
  const rulesOf = (patterns: readonly string[]) => new IgnoreRules(patterns.join('\n'));
  const [wanted, unwanted] = [rulesOf(globs.include), rulesOf(globs.exclude)];
  const included = (path: string) => (globs.include.length === 0 || wanted.covers(path)) && !unwanted.covers(path);
  const unsaved = new Map<string, string>();
  for (const document of vscode.workspace.textDocuments) {
    if (!document.isDirty || document.isClosed || unsaved.size >= maxUnsaved) continue;
    const path = pathOf(document.uri, [folder]);
    // The innermost folder's, where one is inside another.
    if (path === undefined || pathOf(document.uri, folders) !== nameIn(folder, folders, path)) continue;
    if (await ignored.has(path, false)) continue;
    unsaved.set(path, document.getText());
  }
  return { folder, ignored, globs, included, unsaved, name: (path) => nameIn(folder, folders, path) };
}

function nameIn(folder: Folder, folders: readonly Folder[], path: string): string {
  return folders.length > 1 ? `${folder.name}/${path}` : path;
}

/** Globs that take files in, and those with `!` that leave them out; a folder stands for what is in it. */
function globsOf(include: readonly string[]): { readonly include: string[]; readonly exclude: string[] } {
  const plain = include.flatMap(braced).map((glob) => glob.replace(/^(!?)\.\//, '$1'));
  const below = (globs: readonly string[]) =>
    globs.flatMap((glob) => (glob === '' || glob === '.' ? ['**'] : [glob, `${glob.replace(/\/$/, '')}/**`]));
  return {
    include: below(plain.filter((glob) => !glob.startsWith('!'))),
    exclude: below(plain.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))),
  };
}

/** `*.{a,b}` as `*.a` and `*.b`; nested ones are left as they are. */
function braced(glob: string): string[] {
  const [whole, choices = ''] = /\{([^{}]*)\}/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return choices
    .split(',')
    .slice(0, 50)
    .map((choice) => glob.replace(whole, () => choice));
}

async function withRipgrep(
  program: string,
  asked: Asked,
  target: Target,
  found: Matches,
  signal: AbortSignal,
): Promise<void> {
  const { globs, folder } = target;
  const common = { ...asked, program, folder: folder.uri.fsPath, signal };
  for (const [path, text] of target.unsaved) {
    if (found.full) return;
    if (!target.included(path)) continue;
    const onLine = (line: Line) => found.add({ ...line, path: target.name(path) });
    await ripgrep({ ...common, include: [], input: text, onLine });
  }
  const candidates: Line[] = [];
  // Globs that take files in also take in ignored ones: those are dropped below, so some more are asked for.
  const most = asked.include.length > 0 ? 20 * asked.limit : asked.limit + 1;
  await ripgrep({
    ...common,
    include: globs.include,
    exclude: [...globs.exclude, ...hiddenGlobs(folder.uri, settings)],
    encoding: usualEncoding(folder.uri),
    onLine: (line) => {
      if (!target.unsaved.has(line.path)) candidates.push(line);
      return candidates.length < most;
    },
  });
  for (const line of candidates) {
    if (await target.ignored.has(line.path, false)) continue;
    if (!found.add({ ...line, path: target.name(line.path) })) return;
  }
}

async function withScanner(asked: Asked, target: Target, found: Matches, signal: AbortSignal): Promise<void> {
  await using scanner = new Scanner(asked, asked.limit, signal);
  const scan = async (files: readonly { path: string; text: string }[]) => {
    for (const line of await scanner.scan(files)) {
      if (!found.add({ ...line, path: target.name(line.path), text: firstLine(line.text) })) return;
    }
  };
  await scan([...target.unsaved].filter(([path]) => target.included(path)).map(([path, text]) => ({ path, text })));
  const uris: vscode.Uri[] = [];
  const visit = ({ uri, kind }: { uri: vscode.Uri; kind: 'file' | 'folder' }) => {
    const path = pathOf(uri, [target.folder]) ?? '';
    if (kind === 'file' && target.included(path) && !target.unsaved.has(path)) uris.push(uri);
    return uris.length < maxFiles;
  };
  await walk(target.folder.uri, target.folder, 100, visit, settings, signal);
  let bytes = 0;
  for (let i = 0; i < uris.length && !found.full && bytes < maxBytes; i += batch) {
    const texts = await Promise.all(uris.slice(i, i + batch).map(readText));
    const files = uris.slice(i, i + batch).flatMap((uri, at) => {
      const text = texts[at];
      return text === undefined ? [] : [{ path: pathOf(uri, [target.folder]) ?? '', text }];
    });
    bytes += files.reduce((sum, { text }) => sum + text.length, 0);
    await scan(files);
  }
  if (uris.length >= maxFiles || bytes >= maxBytes) found.full = true;
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
    // What is neither UTF-8 nor binary is some encoding of Western Europe more often than anything else.
    if (content.kind === 'text') return content.text;
    return content.kind === 'binary' && !bytes.includes(0) ? new TextDecoder('windows-1252').decode(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** What was found, up to the limit. */
class Matches {
  readonly #limit: number;
  readonly #found: Line[] = [];
  /** There is more. */
  full = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** Whether more is wanted. */
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
