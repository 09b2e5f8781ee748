import { runAction } from '../../backend/actions.ts';
import { findNamed, readPage } from '../../backend/mentions.ts';
import type { Context } from '../../context.ts';
import type { HandlersOf } from './handler.ts';

/**
 * Returns the handlers of the routes by which an editor window gives the server access to its workspace, looks up
 * symbols and pages, and runs tools that only read.
 */
export function editorHandlers({
  editors,
  toolbox,
}: Pick<Context, 'editors' | 'toolbox'>): HandlersOf<'editor' | 'symbols' | 'pages' | 'actions'> {
  return {
    'editor.attach': async ({ body }, { identity, signal }) => editors.attach(body, signal, identity.user),
    'editor.answer': async ({ params, body }) => editors.answer(params.requestId, body),
    'symbols.find': async ({ params, query }, { identity, signal }) => {
      toolbox.workspaces.assertOwn(params.projectId, identity.user);
      return findNamed(toolbox, params.projectId, query.query, signal);
    },
    'pages.read': ({ body }, { signal }) => readPage(toolbox, body.url, signal),
    'actions.run': async (input, { identity, signal }) => {
      toolbox.workspaces.assertOwn(input.body.projectId, identity.user);
      return runAction(toolbox, input, identity.user, signal);
    },
  };
}
