import { randomUUID } from 'node:crypto';
import type { RouteName } from '@devlm/protocol/routes.ts';

/*
 * Requests of a user who does not own the addressed items, one for every route, and the expected responses.
 */

/** Input of a route. */
export interface Input {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * `hidden`: the same 404 as for an id that does not exist. `taken`: refused, because the id belongs to another user.
 * `forbidden`: not allowed for members. `own`: an answer that contains nothing of other users.
 */
export type Row = Input & { readonly is: 'hidden' | 'taken' | 'forbidden' | 'own' };

/** Names of parameters that identify an item with an owner. */
export const idNames = [
  'conversationId',
  'turnId',
  'executionId',
  'projectId',
  'windowProject',
  'windowId',
  'requestId',
] as const;
/** Ids of the items that a user owns. */
export type Ids = Record<(typeof idNames)[number] | 'blob' | 'program', string>;

/** One row for each route. */
export function rowsFor(ids: Ids): Record<RouteName, Row> {
  const conversation = { conversationId: ids.conversationId };
  const turn = { ...conversation, turnId: ids.turnId };
  const project = { projectId: ids.projectId };
  const file = { path: 'secret.txt' };
  const admin = { is: 'forbidden', params: { budgetId: 'b', instanceId: 'i', tokenId: 't', userId: 'local' } } as const;
  const hidden = (input: Input): Row => ({ is: 'hidden', ...input });
  const taken = (input: Input): Row => ({ is: 'taken', ...input });
  return {
    'server.info': { is: 'own' },
    'server.events': { is: 'own' },
    'server.shutdown': { is: 'forbidden', body: { version: '1' } },
    'server.credential': { is: 'forbidden', body: { apiKey: 'sk-of-bob' } },
    'usage.today': { is: 'own' },
    'usage.report': { is: 'own', query: { group: 'conversation' } },
    'models.list': { is: 'own' },
    'sandbox.status': { is: 'own' },
    'conversations.list': { is: 'own', query: { search: 'xylophone' } },
    'conversations.create': taken({ body: { id: ids.conversationId } }),
    'conversations.get': hidden({ params: conversation }),
    'conversations.rename': hidden({ params: conversation, body: { title: 'Mine now' } }),
    'conversations.delete': hidden({ params: conversation }),
    'conversations.restore': hidden({ params: conversation }),
    'conversations.branch': hidden({ params: conversation, body: { id: randomUUID(), turnId: ids.turnId } }),
    'conversations.show': hidden({ params: conversation, body: { turnId: ids.turnId } }),
    'conversations.export': hidden({ params: conversation }),
    'conversations.events': hidden({ params: conversation }),
    'turns.list': hidden({ params: conversation, query: { at: ids.turnId } }),
    'turns.create': hidden({ params: conversation, body: { turnId: ids.turnId, parent: null, text: 'Hello' } }),
    'turns.stop': hidden({ params: turn }),
    'sentRequests.list': hidden({ params: turn }),
    'sentRequests.get': hidden({ params: { ...turn, stepId: 'step' } }),
    'asks.answer': hidden({ params: { ...turn, callId: 'call' }, body: { kind: 'question', text: 'yes' } }),
    'files.preview': hidden({ params: turn }),
    'files.restore': hidden({ params: turn, body: { what: 'both' } }),
    'changes.hunks': hidden({ params: turn, body: { path: 'a.txt' } }),
    'changes.review': hidden({
      params: turn,
      body: { verdict: 'accept', files: [{ path: 'a.txt', base: null, now: ids.blob }] },
    }),
    'changes.undo': hidden({ params: { ...turn, reviewId: 'review' } }),
    'executions.run': taken({ body: { id: ids.executionId, language: 'javascript', source: 'console.log("bob")' } }),
    'executions.get': hidden({ params: { executionId: ids.executionId } }),
    'executions.cancel': hidden({ params: { executionId: ids.executionId } }),
    'executions.list': hidden({ query: conversation }),
    'snippets.get': hidden({ params: { hash: ids.program } }),
    'blobs.get': hidden({ params: { hash: ids.blob } }),
    'symbols.find': hidden({ params: { projectId: ids.windowProject }, query: { query: 'main' } }),
    'actions.run': hidden({
      params: { tool: 'symbol_search' },
      body: { projectId: ids.windowProject, input: { query: 'main' } },
    }),
    'pages.read': { is: 'own', body: { url: 'http://127.0.0.1:1/' } },
    'editor.attach': taken({ body: hello(ids.windowId, ids.windowProject) }),
    'editor.answer': hidden({ params: { requestId: ids.requestId }, body: { ok: true, value: null } }),
    'workspace.create': taken({ params: project }),
    'workspace.delete': hidden({ params: project }),
    'workspace.list': hidden({ params: project }),
    'workspace.read': hidden({ params: project, query: file }),
    'workspace.write': hidden({ params: project, query: file, body: { data: 'Ym9i' } }),
    'workspace.remove': hidden({ params: project, query: file }),
    'budgets.list': admin,
    'budgets.set': { ...admin, body: { scope: 'user', period: 'day', limitUsd: 1, action: 'stop' } },
    'budgets.remove': admin,
    'instances.list': admin,
    'instances.add': { ...admin, body: { id: 'i', apiKey: 'sk-of-bob' } },
    'instances.test': { ...admin, body: {} },
    'instances.rotate': { ...admin, body: { apiKey: 'sk-of-bob' } },
    'instances.drain': { ...admin, body: { draining: true } },
    'instances.remove': admin,
    'tokens.create': { ...admin, body: { name: 'mine', scopes: ['admin'], days: 1 } },
    'tokens.list': admin,
    'tokens.revoke': admin,
    'tokens.rotateKey': { ...admin, body: { forget: true } },
    'users.add': { ...admin, body: { name: 'eve', role: 'admin' } },
    'users.list': admin,
    'users.disable': admin,
  };
}

/** Returns the first message of a window. */
export function hello(windowId: string, projectId: string) {
  const rules = { user: null, workspace: null };
  return { windowId, projectId, trusted: true, acceptsEdits: false, folders: [], rules, mapTokens: 500 };
}
