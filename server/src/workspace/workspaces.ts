import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Editors } from './editors.ts';
import type { ProjectFolders } from './folder/project-folders.ts';
import type { Workspace } from './workspace.ts';

/** The workspaces of projects, whichever they are: a folder of this server, or what an editor window lends. */
export class Workspaces {
  readonly #editors: Editors;
  readonly #folders: ProjectFolders;

  constructor(editors: Editors, folders: ProjectFolders) {
    this.#editors = editors;
    this.#folders = folders;
  }

  /** @throws ProblemError `editor_gone` where there is none, and no window comes in time */
  async workspace(projectId: string, signal: AbortSignal): Promise<Workspace> {
    return this.#folders.workspace(projectId) ?? (await this.#editors.workspace(projectId, signal));
  }

  /** The same where there is one, else null: a window that may be about to come is waited for a moment. */
  async present(projectId: string, signal: AbortSignal): Promise<Workspace | null> {
    return this.#folders.workspace(projectId) ?? (await this.#editors.present(projectId, signal));
  }

  /** Whether the project has one at this moment. */
  attached(projectId: string): boolean {
    return this.#folders.workspace(projectId) !== null || this.#editors.attached(projectId);
  }

  /**
   * Refuses a project whose folder is somebody else's, as if it were not there.
   *
   * @throws ProblemError `not_found`
   */
  assertOwn(projectId: string | null, user: string): void {
    const owner = projectId === null ? null : this.#folders.ownerOf(projectId);
    if (owner === null || owner === user) return;
    const detail = 'There is no such project.';
    throw new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
  }

  /** Lets the windows of a project end the commands of a conversation. */
  stopCommands(projectId: string, conversationId: string): void {
    this.#editors.stopCommands(projectId, conversationId);
  }
}
