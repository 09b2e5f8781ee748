import { Editors } from '../../server/src/workspace/editors.ts';
import { FolderWorkspace } from '../../server/src/workspace/folder/folder-workspace.ts';
import type { Workspace } from '../../server/src/workspace/workspace.ts';
import { EditorWindow } from './editor-window.ts';

/** An implementation of the workspace port, on a folder of this machine. */
export interface WorkspaceAdapter {
  readonly name: string;
  /**
   * Opens the workspace.
   * @param end registers a resource to dispose of after the test; Node 22 has no DisposableStack
   */
  open(folder: string, end: (held: Disposable) => void): Promise<Workspace>;
}

/** Adapters that the contract suite covers. */
export const workspaceAdapters: readonly WorkspaceAdapter[] = [
  { name: 'a folder of the server', open: async (folder) => new FolderWorkspace(folder) },
  {
    name: 'a window',
    async open(folder, end) {
      const editors = new Editors();
      const window = new EditorWindow(noServer, folder);
      end(window);
      void window.lendTo(editors);
      return await editors.workspace('project', AbortSignal.timeout(5_000));
    },
  },
];

function noServer(): never {
  throw new Error('the window belongs to this process');
}
