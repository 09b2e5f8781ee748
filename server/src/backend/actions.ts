import { randomUUID } from 'node:crypto';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { ToolContext, ToolOutcome } from '../actions/tool.ts';
import { symbolSearch } from '../actions/tools/symbol-search.ts';
import { webSearch } from '../actions/tools/web-search.ts';
import { type ToolboxDeps, toolServices } from './toolbox.ts';

/** Tools that can be called without a conversation, because they change nothing. */
const tools = [webSearch, symbolSearch];

/**
 * Runs one of `tools` for the editor's own chat. If the rules of the window require a question about the action, it
 * runs only if the user has confirmed it in the editor.
 * @throws ProblemError `not_found`
 */
export async function runAction(
  deps: ToolboxDeps,
  { params, body }: RouteChecked<'actions.run'>,
  userId: string,
  signal: AbortSignal,
): Promise<Pick<ToolOutcome, 'ok' | 'text'>> {
  const tool = tools.find(({ name }) => name === params.tool);
  if (!tool) {
    const detail = `The tool ${params.tool} cannot be called without a conversation. Available: ${tools.map(({ name }) => name).join(', ')}.`;
    throw new ProblemError({ code: 'not_found', status: 404, title: 'Tool not available', detail });
  }
  const id = randomUUID();
  // All chats of the editor in one project share their placeholders.
  const { projectId } = body;
  const services = toolServices(deps, await deps.secrets.of(projectId ?? id), { id, projectId, userId });
  const context: ToolContext = {
    ...services,
    turnId: id,
    callId: id,
    signal,
    stopped: () => false,
    workspace: () => services.workspace(signal),
    symbols: () => services.symbols(signal),
    usesSecrets: false,
    execute: (request, onOutput) => services.execute(request, onOutput, signal),
    known: new Map(),
    commands: new Map(),
    // The content of the other chat's conversation is unknown here.
    trust: { taints: [], knownHosts: new Set(), knownPaths: new Set() },
    earlier: [],
    begun: null,
    ask: async ({ kind }) =>
      kind === 'approval'
        ? { kind, allow: body.confirmed }
        : { kind, text: 'No user can answer questions here.', option: null },
    begin: async () => undefined,
    output: () => undefined,
  };
  const { ok, text } = await tool.run(body.input, context);
  return { ok, text };
}
