import type { EditorAnswerOf, EditorChange, EditorFile } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RequestOf, Workspace } from '../workspace.ts';
import { applyToFolder } from './apply.ts';
import { inspectFile } from './inspect-file.ts';
import { segmentsOf } from './path-names.ts';
import { listConfined } from './paths.ts';
import { searchFolder } from './search.ts';
import { type WalkEntry, walk } from './walk.ts';

/**
 * A folder on this machine as a workspace, without an editor: files as on disk, confined to the folder at the moment of
 * use. It has no settings, language servers or commands.
 */
export class FolderWorkspace implements Workspace {
  readonly restricted = false;
  readonly folders = [{ name: 'workspace', path: null }];
  readonly rules = { user: null, workspace: null };
  readonly noSettings = true;
  readonly #root: string;
  /** The tail of the queue of changes. */
  #changes: Promise<unknown> = Promise.resolve();

  /** @param root absolute path of an existing folder */
  constructor(root: string) {
    this.#root = root;
  }

  async read(path: string): Promise<EditorFile> {
    return (await inspectFile(this.#root, path)).file;
  }

  /** Applies changes after all earlier ones. */
  apply(changes: readonly EditorChange[], signal: AbortSignal): Promise<EditorAnswerOf<'apply'>> {
    const work = this.#changes.then(() => applyToFolder(this.#root, changes, signal));
    this.#changes = work.catch(() => undefined);
    return work;
  }

  /**
   * Lists a folder.
   * @throws ProblemError `not_found` if the path is not a folder
   */
  async list({ path, depth, limit }: RequestOf<'list'>, signal: AbortSignal): Promise<EditorAnswerOf<'list'>> {
    const found: WalkEntry[] = [];
    let truncated = false;
    const add = (entry: WalkEntry): boolean => {
      truncated = found.length >= limit;
      if (!truncated) found.push(entry);
      return !truncated;
    };
    await walk(this.#root, segmentsOf(path).join('/'), depth, add, signal).catch((error: unknown) => {
      const code = error instanceof ProblemError ? error.problem.code : undefined;
      if (code === 'not_found' || code === 'not_a_file') throw noFolder(path);
      throw error;
    });
    return { entries: await Promise.all(found.map((entry) => this.#entryOf(entry))), truncated };
  }

  search(request: RequestOf<'search'>, signal: AbortSignal): Promise<EditorAnswerOf<'search'>> {
    return searchFolder(this.#root, request, signal);
  }

  async #entryOf({ path, kind, bytes, modified }: WalkEntry): Promise<EditorAnswerOf<'list'>['entries'][number]> {
    if (kind === 'folder' || (kind === 'link' && (await this.#isLinkToFolder(path))))
      return { path, kind: 'folder', bytes: null };
    return { path, kind: 'file', bytes: bytes ?? null, modified: modified ?? null };
  }

  async #isLinkToFolder(path: string): Promise<boolean> {
    return await listConfined(this.#root, path).then(
      () => true,
      () => false,
    );
  }
}

function noFolder(path: string): ProblemError {
  const detail = `The folder ${path} does not exist.`;
  return new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
}
