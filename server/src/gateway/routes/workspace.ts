import type { OwnFolder, WorkspaceFiles } from '../../backend/workspace-files.ts';
import type { Identity } from '../identity/tokens.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about project workspaces in folders of this server. */
export function workspaceHandlers(files: WorkspaceFiles): HandlersOf<'workspace'> {
  return {
    'workspace.create': async ({ params: { projectId } }, { identity }) => {
      await files.create({ projectId, user: identity.user });
      return { projectId };
    },
    'workspace.delete': ({ params }, { identity }) => files.delete(folderOf(params, identity)),
    'workspace.list': ({ params, query }, { identity, signal }) =>
      files.list(folderOf(params, identity), query, signal),
    'workspace.read': ({ params, query }, { identity }) => files.read(folderOf(params, identity), query.path),
    'workspace.write': ({ params, query, body }, { identity }) =>
      files.write(folderOf(params, identity), query.path, Buffer.from(body.data, 'base64'), body.expected),
    'workspace.remove': ({ params, query }, { identity }) => files.remove(folderOf(params, identity), query.path),
  };
}

function folderOf({ projectId }: { readonly projectId: string }, { user }: Identity): OwnFolder {
  return { projectId, user };
}
