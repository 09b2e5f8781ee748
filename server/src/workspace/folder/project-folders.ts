import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import { FolderWorkspace } from './folder-workspace.ts';
import { segmentsOf } from './path-names.ts';

/** Workspaces that are kept in memory; the one that was made first is let go of. */
const kept = 1_000;

/** What stands beside a folder, in `<project>.json`. */
const Note = z.object({ projectId: z.string(), owner: z.string() });

/** Folders of this machine that are workspaces of projects without an editor: one a project, below one folder. */
export class ProjectFolders {
  readonly #dir: string;
  readonly #workspaces = new Map<string, FolderWorkspace>();

  /** @param dir absolute; made when it is needed */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Makes the folder of a project. One that is there already stays as it is.
   *
   * @throws ProblemError `conflict` where somebody else has it; `outside_workspace` for an id that cannot name a folder
   */
  async create(projectId: string, owner: string): Promise<void> {
    segmentsOf(projectId);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const note = Note.parse({ projectId, owner });
    try {
      await writeFile(this.#notePath(projectId), JSON.stringify(note), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      if (this.ownerOf(projectId) !== owner)
        throw problem('conflict', 409, 'This project has a folder already. Choose another id.');
    }
    await mkdir(this.#folderPath(projectId), { recursive: true, mode: 0o700 });
  }

  /** Removes the folder with all that is in it. @throws ProblemError `not_found` */
  async remove(projectId: string, owner: string): Promise<void> {
    const folder = this.rootOf(projectId, owner);
    this.#workspaces.delete(projectId);
    const gone = join(this.#dir, `.${randomUUID()}.removed`);
    await rename(folder, gone);
    await rm(this.#notePath(projectId), { force: true });
    await rm(gone, { recursive: true, force: true });
  }

  /** Who made the folder of a project; null: it has none. */
  ownerOf(projectId: string): string | null {
    try {
      const note = Note.parse(JSON.parse(readFileSync(this.#notePath(projectId), 'utf8')));
      // Some systems take two names that differ by capitals for one.
      return note.projectId === projectId ? note.owner : null;
    } catch {
      return null;
    }
  }

  /** The workspace of a project that has a folder, else null. */
  workspace(projectId: string): FolderWorkspace | null {
    if (this.ownerOf(projectId) === null || !existsSync(this.#folderPath(projectId))) return null;
    const known = this.#workspaces.get(projectId);
    if (known) return known;
    const made = new FolderWorkspace(this.#folderPath(projectId));
    this.#workspaces.set(projectId, made);
    for (const old of this.#workspaces.keys()) {
      if (this.#workspaces.size <= kept) break;
      this.#workspaces.delete(old);
    }
    return made;
  }

  /** The folder of a project, for its owner. @throws ProblemError `not_found`, whoever else it belongs to */
  rootOf(projectId: string, owner: string): string {
    if (this.ownerOf(projectId) !== owner || !existsSync(this.#folderPath(projectId)))
      throw problem('not_found', 404, 'This project has no folder on this server.');
    return this.#folderPath(projectId);
  }

  #folderPath(projectId: string): string {
    return join(this.#dir, projectId);
  }

  /** An id has no dot in it: it cannot be the name of a note. */
  #notePath(projectId: string): string {
    return join(this.#dir, `${projectId}.json`);
  }
}

function problem(code: string, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: status === 404 ? 'Not found' : 'Conflict', detail });
}
