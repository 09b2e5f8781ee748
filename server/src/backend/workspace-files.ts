import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { Store } from '../storage/ports/store.ts';
import { conflict } from '../storage/problems.ts';
import type { Editors } from '../workspace/editors.ts';
import { FolderWorkspace } from '../workspace/folder/folder-workspace.ts';
import { readConfined, removeConfined, writeConfined } from '../workspace/folder/paths.ts';
import type { ProjectFolders } from '../workspace/folder/project-folders.ts';
import type { Workspace } from '../workspace/workspace.ts';

/** Dependencies of `WorkspaceFiles`. */
export interface WorkspaceFilesDeps {
  readonly store: Store;
  readonly folders: ProjectFolders;
  readonly editors: Editors;
}

/** The folder of a project and the requesting user. Only the user who created a folder has access to it. */
export interface OwnFolder {
  readonly projectId: string;
  readonly user: string;
}

/** State of a file after it was read or written: its size in bytes and the SHA-256 of its content, in hex. */
export interface FileVersion {
  readonly path: string;
  readonly bytes: number;
  readonly hash: string;
}

/**
 * The files of projects that have a folder on this server. Every path is confined to the folder. Each method throws
 * `not_found` if the user has no such folder.
 */
export class WorkspaceFiles {
  readonly #deps: WorkspaceFilesDeps;

  constructor(deps: WorkspaceFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Creates an empty folder for a project. Does nothing if the user has created it already.
   *
   * @throws ProblemError `conflict` if the project is in use with another workspace or the folder belongs to another user
   */
  async create({ projectId, user }: OwnFolder): Promise<void> {
    const { folders, editors } = this.#deps;
    // Otherwise existing conversations would suddenly work in another place, and perhaps for another user.
    if (
      folders.ownerOf(projectId) === null &&
      (editors.attached(projectId) || (await this.#hasConversations(projectId)))
    )
      throw projectInUse();
    await folders.create(projectId, user);
  }

  /** Removes the folder and all of its content. */
  delete({ projectId, user }: OwnFolder): Promise<void> {
    return this.#deps.folders.remove(projectId, user);
  }

  /** Lists the content of a folder below the project folder, without files that `.gitignore` excludes. */
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
   * @returns the version and content of the file; `data` is base64
   * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_too_large`
   */
  async read(folder: OwnFolder, path: string): Promise<FileVersion & { readonly data: string }> {
    const { bytes, hash } = await readConfined(this.#rootOf(folder), path, { maxBytes: limits.fileBytes });
    return { path, bytes: bytes.length, hash, data: bytes.toString('base64') };
  }

  /**
   * Creates or replaces a file. Creates missing parent folders.
   *
   * @param expected SHA-256 that the existing file must have; null if the file must not exist; default: any
   * @throws ProblemError `outside_workspace`, `not_a_file`, `file_changed`
   */
  async write(folder: OwnFolder, path: string, bytes: Buffer, expected?: string | null): Promise<FileVersion> {
    const options = expected === undefined ? {} : { expectedHash: expected };
    return { path, bytes: bytes.length, hash: await writeConfined(this.#rootOf(folder), path, bytes, options) };
  }

  /**
   * Removes a file or an empty folder.
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

const projectInUse = () =>
  conflict('This project id is already in use for the workspace of an editor. Choose another id.');
