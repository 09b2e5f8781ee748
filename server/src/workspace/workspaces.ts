import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Editors } from './editors.ts';
import type { ProjectFolders } from './folder/project-folders.ts';
import type { Workspace } from './workspace.ts';

/** The workspaces of all projects. Each is a folder on this server or is shared by an editor window. */
export class Workspaces {
  readonly #editors: Editors;
  readonly #folders: ProjectFolders;

  constructor(editors: Editors, folders: ProjectFolders) {
    this.#editors = editors;
    this.#folders = folders;
  }

  /**
   * Returns the workspace of a project.
   * @throws ProblemError `editor_gone` if it has none and no window connects in time
   */
  async workspace(projectId: string, signal: AbortSignal): Promise<Workspace> {
    return this.#folders.workspace(projectId) ?? (await this.#editors.workspace(projectId, signal));
  }

  /** Returns the workspace of a project, or null. Waits only a moment for a window that may be about to connect. */
  async present(projectId: string, signal: AbortSignal): Promise<Workspace | null> {
    return this.#folders.workspace(projectId) ?? (await this.#editors.present(projectId, signal));
  }

  /** Returns whether the project has a workspace now. */
  attached(projectId: string): boolean {
    return this.#folders.workspace(projectId) !== null || this.#editors.attached(projectId);
  }

  /**
   * Throws if the folder of a project belongs to another user. The error is that of a project that does not exist.
   *
   * @throws ProblemError `not_found`
   */
  assertOwn(projectId: string | null, user: string): void {
    const owner = projectId === null ? null : this.#folders.ownerOf(projectId);
    if (owner === null || owner === user) return;
    const detail = 'The project does not exist.';
    throw new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
  }

  /** Tells the windows of a project to end the commands of a conversation. */
  stopCommands(projectId: string, conversationId: string): void {
    this.#editors.stopCommands(projectId, conversationId);
  }
}
