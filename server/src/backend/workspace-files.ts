import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Editors } from '../workspace/editors.ts';
import { FolderWorkspace } from '../workspace/folder/folder-workspace.ts';
import { readConfined, removeConfined, writeConfined } from '../workspace/folder/paths.ts';
import type { ProjectFolders } from '../workspace/folder/project-folders.ts';

/** Who calls: a folder belongs to whoever made it, and is not there for others. */
interface Caller {
  readonly identity: { readonly user: string };
  readonly signal: AbortSignal;
}

/** The handlers of the routes about folders of this server. Paths are confined to the folder. */
export function workspaceHandlers({
  store,
  folders,
  editors,
}: {
  readonly store: Store;
  readonly folders: ProjectFolders;
  readonly editors: Editors;
}) {
  return {
    'workspace.create': async ({ params: { projectId } }: RouteChecked<'workspace.create'>, { identity }: Caller) => {
      // Its conversations would from now on work in another place, and perhaps for somebody else.
      const used = async () => (await store.conversations.list({ projectId, limit: 1 })).items.length > 0;
      if (folders.ownerOf(projectId) === null && (editors.attached(projectId) || (await used()))) {
        const detail = 'This project is in use already, with the workspace of an editor. Choose another id.';
        throw new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
      }
      await folders.create(projectId, identity.user);
      return { projectId };
    },
    'workspace.delete': ({ params }: RouteChecked<'workspace.delete'>, { identity }: Caller) =>
      folders.remove(params.projectId, identity.user),
    'workspace.list': ({ params, query }: RouteChecked<'workspace.list'>, { identity, signal }: Caller) =>
      new FolderWorkspace(folders.rootOf(params.projectId, identity.user)).list(query, signal),
    'workspace.read': async ({ params, query: { path } }: RouteChecked<'workspace.read'>, { identity }: Caller) => {
      const root = folders.rootOf(params.projectId, identity.user);
      const { bytes, hash } = await readConfined(root, path, { maxBytes: limits.fileBytes });
      return { path, bytes: bytes.length, hash, data: bytes.toString('base64') };
    },
    'workspace.write': async (
      { params, query: { path }, body }: RouteChecked<'workspace.write'>,
      { identity }: Caller,
    ) => {
      const root = folders.rootOf(params.projectId, identity.user);
      const bytes = Buffer.from(body.data, 'base64');
      const options = body.expected === undefined ? {} : { expectedHash: body.expected };
      return { path, bytes: bytes.length, hash: await writeConfined(root, path, bytes, options) };
    },
    'workspace.remove': ({ params, query }: RouteChecked<'workspace.remove'>, { identity }: Caller) =>
      removeConfined(folders.rootOf(params.projectId, identity.user), query.path),
  };
}
