import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { FolderWorkspace } from './folder-workspace.ts';
import { segmentsOf } from './path-names.ts';

/** Maximum number of workspaces in memory. The least recently used is dropped first. */
const maxWorkspaces = 1_000;

/** Content of the note beside a folder, `<project>.json`. */
const FolderNote = z.object({ projectId: z.string(), owner: z.string() });

/** Folders on this machine that are the workspaces of projects without an editor, one per project. */
export class ProjectFolders {
  readonly #dir: string;
  readonly #workspaces = new LRUCache<string, FolderWorkspace>({ max: maxWorkspaces });

  /** @param dir absolute path of the folder that contains them; created when needed */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Creates the folder of a project. Does nothing if it exists already.
   *
   * @throws ProblemError `conflict` if it belongs to another user; `outside_workspace` if the id cannot be a folder name
   */
  async create(projectId: string, owner: string): Promise<void> {
    segmentsOf(projectId);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const note = FolderNote.parse({ projectId, owner });
    try {
      await writeFile(this.#notePath(projectId), JSON.stringify(note), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      if (this.ownerOf(projectId) !== owner)
        throw projectFolderProblem('conflict', 409, 'This project already has a folder. Choose another project id.');
    }
    await mkdir(this.#folderPath(projectId), { recursive: true, mode: 0o700 });
  }

  /**
   * Removes the folder and all of its content.
   * @throws ProblemError `not_found`
   */
  async remove(projectId: string, owner: string): Promise<void> {
    const folder = this.rootOf(projectId, owner);
    this.#workspaces.delete(projectId);
    const trash = join(this.#dir, `.${randomUUID()}.removed`);
    await rename(folder, trash);
    await rm(this.#notePath(projectId), { force: true });
    await rm(trash, { recursive: true, force: true });
  }

  /** Returns the user who created the folder of a project; null if it has none. */
  ownerOf(projectId: string): string | null {
    try {
      const note = FolderNote.parse(JSON.parse(readFileSync(this.#notePath(projectId), 'utf8')));
      // On some systems, names that differ only in case are the same file.
      return note.projectId === projectId ? note.owner : null;
    } catch {
      return null;
    }
  }

  /** Returns the workspace of a project that has a folder, or null. */
  workspace(projectId: string): FolderWorkspace | null {
    if (this.ownerOf(projectId) === null || !existsSync(this.#folderPath(projectId))) return null;
    const existing = this.#workspaces.get(projectId);
    if (existing) return existing;
    const created = new FolderWorkspace(this.#folderPath(projectId));
    this.#workspaces.set(projectId, created);
    return created;
  }

  /**
   * Returns the folder of a project, for its owner only.
   * @throws ProblemError `not_found`, also if the folder belongs to another user
   */
  rootOf(projectId: string, owner: string): string {
    if (this.ownerOf(projectId) !== owner || !existsSync(this.#folderPath(projectId)))
      throw projectFolderProblem('not_found', 404, 'This project has no folder on this server.');
    return this.#folderPath(projectId);
  }

  #folderPath(projectId: string): string {
    return join(this.#dir, projectId);
  }

  /** Returns the path of the note. Ids contain no dot, so a folder cannot have the name of a note. */
  #notePath(projectId: string): string {
    return join(this.#dir, `${projectId}.json`);
  }
}

function projectFolderProblem(code: ErrorCode, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: status === 404 ? 'Not found' : 'Conflict', detail });
}
