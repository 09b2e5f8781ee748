import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import { lentTools } from '../actions/foreign/lent-tools.ts';
import type { McpServers } from '../actions/foreign/mcp/servers.ts';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import { hidingWeb, hidingWorkspace, learnEnvFiles } from '../actions/secrets/uses.ts';
import type { ProjectSymbols } from '../actions/symbols/project-symbols.ts';
import type { Tool } from '../actions/tool.ts';
import { diagnostics } from '../actions/tools/diagnostics.ts';
import { runCommand } from '../actions/tools/run-command.ts';
import { symbolSearch } from '../actions/tools/symbol-search.ts';
import type { Web } from '../actions/web/web.ts';
import type { LoopDeps } from '../agent/loop.ts';
import { systemPrompt } from '../agent/system-prompt.ts';
import { taskUses } from '../agent/tasks.ts';
import type { ToolServices } from '../agent/tool-calls.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import { readRules } from '../workspace/project-rules.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { type Executions, LiveExecution } from './executions.ts';
import {
  changingTools,
  codeTools,
  commandTools,
  proposingTools,
  testTools,
  webTools,
  workspaceTools,
} from './tools.ts';

export interface ToolboxDeps {
  readonly store: Store;
  readonly workspaces: Workspaces;
  readonly executions: Executions;
  readonly mcp: McpServers;
  readonly web: Web;
  readonly symbols: ProjectSymbols;
  readonly secrets: ConversationSecrets;
}

/** What the model may use in a conversation, and what it is told about it. */
export async function toolboxFor(
  { store, workspaces, executions, mcp, web, symbols, secrets }: ToolboxDeps,
  conversation: Pick<StoredConversation, 'id' | 'projectId' | 'userId'>,
  task: Task | undefined,
  signal: AbortSignal,
): Promise<Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>> {
  const { id: conversationId, projectId } = conversation;
  const lent = projectId === null ? null : await workspaces.present(projectId, signal);
  const own = await secrets.of(conversationId);
  if (lent) await learnEnvFiles(lent, own, signal);
  const workspace = lent && hidingWorkspace(lent, own);
  const tools: Tool[] = [
    ...(workspace ? workspaceTools.filter((tool) => tool !== diagnostics || workspace.diagnostics) : []),
    ...(workspace && !workspace.restricted ? changingTools : []),
    ...(workspace?.commands && !workspace.restricted ? commandTools : []),
    // Without an editor commands run in the sandbox alone.
    ...(workspace && !workspace.commands && executions.enabled && !workspace.restricted ? [runCommand] : []),
    ...(executions.enabled && !workspace?.restricted ? codeTools : []),
    ...(executions.enabled && workspace && !workspace.restricted ? testTools : []),
    ...proposingTools,
    ...(workspace?.restricted ? [] : webTools.filter(({ name }) => name !== 'web_search' || web.search)),
  ].filter((tool) => taskUses(task, tool));
  if (projectId !== null && workspace) {
    // What the model may use grows when a server is started in the middle of the turn.
    const offer = (more: readonly Tool[]) => {
      for (const tool of more) {
        if (!taskUses(task, tool)) continue;
        const at = tools.findIndex(({ name }) => name === tool.name);
        if (at < 0) tools.push(tool);
        else tools[at] = tool;
      }
    };
    offer([...(await lentTools(workspace)), ...(await mcp.toolsFor(projectId, workspace, offer, signal))]);
  }
  const allRules = workspace && !workspace.restricted ? await readRules(workspace, signal) : [];
  const rules = allRules.filter(({ globs }) => !globs);
  return {
    tools,
    system: systemPrompt({
      tools: tools.map(({ name }) => name),
      folders: workspace?.folders ?? [],
      restricted: workspace?.restricted ?? false,
      rules,
    }),
    fileRules: allRules.filter(({ globs }) => globs),
    rulesChars: rules.reduce((chars, { text }) => chars + text.length, 0),
    ...(projectId !== null && lent && tools.includes(symbolSearch)
      ? { projectMap: (focus) => mapOf(symbols, projectId, lent, focus) }
      : {}),
    services: toolServices({ store, workspaces, executions, web, symbols }, own, conversation),
  };
}

/** What the tools of a conversation stand on; without a project there is no workspace. */
export function toolServices(
  { store, workspaces, executions, web, symbols }: Omit<ToolboxDeps, 'mcp' | 'secrets'>,
  own: Secrets,
  { id: conversationId, projectId, userId }: Pick<StoredConversation, 'id' | 'projectId' | 'userId'>,
): ToolServices {
  return {
    conversationId,
    web: hidingWeb(web, own),
    secrets: own,
    symbols: async (during) => {
      if (projectId === null) throw noWorkspace();
      return symbols.fresh(projectId, await workspaces.workspace(projectId, during), during);
    },
    workspace: async (during) => {
      if (projectId === null) throw noWorkspace();
      return hidingWorkspace(await workspaces.workspace(projectId, during), own);
    },
    putText: (text) => store.blobs.put({ mediaType: 'text/plain', data: Buffer.from(text) }),
    getText: async (hash) => {
      const blob = await store.blobs.get(hash);
      return blob && Buffer.from(blob.data).toString();
    },
    putImage: (mediaType, data) => store.blobs.put({ mediaType, data }),
    execute: async (request, hear, during): Promise<ExecutionRecord> => {
      const run = await executions.start(request, conversationId, userId);
      if (!(run instanceof LiveExecution)) return run;
      const cancel = () => run.cancel();
      during.addEventListener('abort', cancel, { once: true });
      if (during.aborted) cancel();
      try {
        for await (const events of run.follow(new AbortController().signal)) {
          for (const event of events) if (event.type === 'output') hear(event.text);
        }
        const record = await run.ended;
        // What the end of the turn cut off is not a result.
        if (record.status === 'cancelled') during.throwIfAborted();
        return record;
      } finally {
        during.removeEventListener('abort', cancel);
      }
    },
  };
}

/** The map as it is known now: nobody waits for it. What has changed since is looked through for the next conversation. */
function mapOf(
  symbols: ProjectSymbols,
  projectId: string,
  workspace: Workspace,
  focus: ReadonlySet<string>,
): string | null {
  if (!workspace.mapTokens) return null;
  const index = symbols.current(projectId);
  symbols.refresh(projectId, workspace.mapTokens, async () => workspace);
  return index?.map(workspace.mapTokens, focus) || null;
}

function noWorkspace(): ProblemError {
  const detail = 'This conversation belongs to no project: there is no workspace to work on.';
  return new ProblemError({ code: 'no_workspace', status: 409, title: 'No workspace', detail });
}
