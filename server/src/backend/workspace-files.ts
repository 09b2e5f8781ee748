import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Editors } from '../workspace/editors.ts';
import { FolderWorkspace } from '../workspace/folder/folder-workspace.ts';
import { readConfined, removeConfined, writeConfined } from '../workspace/folder/paths.ts';
import type { ProjectFolders } from '../workspace/folder/project-folders.ts';
import type { Workspace } from '../workspace/workspace.ts';

export interface WorkspaceFilesDeps {
  readonly store: Store;
  readonly folders: ProjectFolders;
  readonly editors: Editors;
}

/** The folder of a project, and the user who asks. A folder belongs to the user who made it; for others there is none. */
export interface OwnFolder {
  readonly projectId: string;
  readonly user: string;
}

/** A file as it was read or written: its size and the SHA-256 of its bytes, in hex. */
export interface FileVersion {
  readonly path: string;
  readonly bytes: number;
  readonly hash: string;
}

/**
 * The files of projects that have a folder of this server. Every path is confined to the folder. Each method throws
 * `not_found` where the user has no such folder.
 */
export class WorkspaceFiles {
  readonly #deps: WorkspaceFilesDeps;

  constructor(deps: WorkspaceFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Makes the folder of a project, empty. One that is there already stays as it is.
   *
   * @throws ProblemError `conflict` when the project is in use with another workspace, or the folder is another user's
   */
  async create({ projectId, user }: OwnFolder): Promise<void> {
    const { folders, editors } = this.#deps;
    // Its conversations would from now on work in another place, and perhaps for another user.
    if (
      folders.ownerOf(projectId) === null &&
      (editors.attached(projectId) || (await this.#hasConversations(projectId)))
    )
      throw projectInUse();
    await folders.create(projectId, user);
  }

  /** Removes the folder with all that is in it. */
  delete({ projectId, user }: OwnFolder): Promise<void> {
    return this.#deps.folders.remove(projectId, user);
  }

  /** Lists what is in a folder below that of the project, without what `.gitignore` files leave out. */
  async list(
    folder: OwnFolder,
    query: Parameters<Workspace['list']>[0],
    signal: AbortSignal,
  ): Promise<EditorAnswerOf<'list'>> {
    return new FolderWorkspace(this.#rootOf(folder)).list(query, signal);
  }

  /**
   * Reads a file.
   *
   * @returns its bytes in base64
   * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_too_large`
   */
  async read(folder: OwnFolder, path: string): Promise<FileVersion & { readonly data: string }> {
    const { bytes, hash } = await readConfined(this.#rootOf(folder), path, { maxBytes: limits.fileBytes });
    return { path, bytes: bytes.length, hash, data: bytes.toString('base64') };
  }

  /**
   * Creates or replaces a file, with the folders that it needs.
   *
   * @param expected SHA-256 that the file must have, null where there must be none; default: any
   * @throws ProblemError `outside_workspace`, `not_a_file`, `file_changed`
   */
  async write(folder: OwnFolder, path: string, bytes: Buffer, expected?: string | null): Promise<FileVersion> {
    const options = expected === undefined ? {} : { expectedHash: expected };
    return { path, bytes: bytes.length, hash: await writeConfined(this.#rootOf(folder), path, bytes, options) };
  }

  /**
   * Removes a file, or an empty folder.
   *
   * @throws ProblemError `outside_workspace`, `not_found`
   */
  async remove(folder: OwnFolder, path: string): Promise<void> {
    await removeConfined(this.#rootOf(folder), path);
  }

  async #hasConversations(projectId: string): Promise<boolean> {
    return (await this.#deps.store.conversations.list({ projectId, limit: 1 })).items.length > 0;
  }

  #rootOf({ projectId, user }: OwnFolder): string {
    return this.#deps.folders.rootOf(projectId, user);
  }
}

function projectInUse(): ProblemError {
  const detail = 'This project is in use already, with the workspace of an editor. Choose another id.';
  return new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
}
