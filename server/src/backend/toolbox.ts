import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { McpServers } from '../actions/foreign/mcp/servers.ts';
import { sharedTools } from '../actions/foreign/shared-tools.ts';
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

/** Dependencies of the tools. */
export interface ToolboxDeps {
  readonly store: Store;
  readonly workspaces: Workspaces;
  readonly executions: Executions;
  readonly mcp: McpServers;
  readonly web: Web;
  readonly symbols: ProjectSymbols;
  readonly secrets: ConversationSecrets;
}

/** Returns the tools that the model can use in a conversation, with their services and the system prompt. */
export async function toolboxFor(
  { store, workspaces, executions, mcp, web, symbols, secrets }: ToolboxDeps,
  conversation: Pick<StoredConversation, 'id' | 'projectId' | 'userId'>,
  task: Task | undefined,
  signal: AbortSignal,
): Promise<Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>> {
  const { id: conversationId, projectId } = conversation;
  const attached = projectId === null ? null : await workspaces.present(projectId, signal);
  const conversationSecrets = await secrets.of(conversationId);
  if (attached) await learnEnvFiles(attached, conversationSecrets, signal);
  const workspace = attached && hidingWorkspace(attached, conversationSecrets);
  const tools: Tool[] = [
    ...(workspace ? workspaceTools.filter((tool) => tool !== diagnostics || workspace.diagnostics) : []),
    ...(workspace && !workspace.restricted ? changingTools : []),
    ...(workspace?.commands && !workspace.restricted ? commandTools : []),
    // Without an editor, commands run only in the sandbox.
    ...(workspace && !workspace.commands && executions.enabled && !workspace.restricted ? [runCommand] : []),
    ...(executions.enabled && !workspace?.restricted ? codeTools : []),
    ...(executions.enabled && workspace && !workspace.restricted ? testTools : []),
    ...proposingTools,
    ...(workspace?.restricted ? [] : webTools.filter(({ name }) => name !== 'web_search' || web.search)),
  ].filter((tool) => taskUses(task, tool));
  if (projectId !== null && workspace) {
    // Tools are added when an MCP server is started in the middle of the turn.
    const addTools = (added: readonly Tool[]) => {
      for (const tool of added) {
        if (!taskUses(task, tool)) continue;
        const index = tools.findIndex(({ name }) => name === tool.name);
        if (index < 0) tools.push(tool);
        else tools[index] = tool;
      }
    };
    addTools([...(await sharedTools(workspace)), ...(await mcp.toolsFor(projectId, workspace, addTools, signal))]);
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
    ...(projectId !== null && attached && tools.includes(symbolSearch)
      ? { projectMap: (focus) => projectMapOf(symbols, projectId, attached, focus) }
      : {}),
    services: toolServices({ store, workspaces, executions, web, symbols }, conversationSecrets, conversation),
  };
}

/** Returns the services that the tools of a conversation use. Without a project there is no workspace. */
export function toolServices(
  { store, workspaces, executions, web, symbols }: Omit<ToolboxDeps, 'mcp' | 'secrets'>,
  secrets: Secrets,
  { id: conversationId, projectId, userId }: Pick<StoredConversation, 'id' | 'projectId' | 'userId'>,
): ToolServices {
  return {
    conversationId,
    web: hidingWeb(web, secrets),
    secrets,
    symbols: async (during) => {
      if (projectId === null) throw noWorkspace();
      return symbols.fresh(projectId, await workspaces.workspace(projectId, during), during);
    },
    workspace: async (during) => {
      if (projectId === null) throw noWorkspace();
      return hidingWorkspace(await workspaces.workspace(projectId, during), secrets);
    },
    putText: (text) => store.blobs.put({ mediaType: 'text/plain', data: Buffer.from(text) }),
    getText: async (hash) => {
      const blob = await store.blobs.get(hash);
      return blob && Buffer.from(blob.data).toString();
    },
    putImage: (mediaType, data) => store.blobs.put({ mediaType, data }),
    execute: async (request, onOutput, during): Promise<ExecutionRecord> => {
      const run = await executions.start(request, conversationId, userId);
      if (!(run instanceof LiveExecution)) return run;
      const cancel = () => run.cancel();
      during.addEventListener('abort', cancel, { once: true });
      if (during.aborted) cancel();
      try {
        for await (const events of run.follow(new AbortController().signal)) {
          for (const event of events) if (event.type === 'output') onOutput(event.text);
        }
        const record = await run.ended;
        // A run that was canceled by the end of the turn has no result.
        if (record.status === 'cancelled') during.throwIfAborted();
        return record;
      } finally {
        during.removeEventListener('abort', cancel);
      }
    },
  };
}

/** Returns the project map as known now, without waiting. Starts a refresh, from which the next conversation benefits. */
function projectMapOf(
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
  const detail = 'This conversation has no project and therefore no workspace.';
  return new ProblemError({ code: 'no_workspace', status: 409, title: 'No workspace', detail });
}
