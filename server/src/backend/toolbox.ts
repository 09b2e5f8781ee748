import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { Editors } from '../actions/editors.ts';
import { lentTools } from '../actions/lent-tools.ts';
import type { McpServers } from '../actions/mcp/servers.ts';
import { readRules } from '../actions/rules.ts';
import type { ProjectSymbols } from '../actions/symbols/project-symbols.ts';
import type { Tool } from '../actions/tool.ts';
import { symbolSearch } from '../actions/tools/symbol-search.ts';
import {
  changingTools,
  codeTools,
  commandTools,
  proposingTools,
  testTools,
  webTools,
  workspaceTools,
} from '../actions/tools.ts';
import type { Web } from '../actions/web/web.ts';
import type { Workspace } from '../actions/workspace.ts';
import type { LoopDeps } from '../agent/loop.ts';
import { systemPrompt } from '../agent/prompt.ts';
import { taskUses } from '../agent/tasks.ts';
import type { ToolServices } from '../agent/tool-calls.ts';
import type { Store } from '../storage/store.ts';
import { type Executions, LiveExecution } from './executions.ts';

export interface ToolboxDeps {
  readonly store: Store;
  readonly editors: Editors;
  readonly executions: Executions;
  readonly mcp: McpServers;
  readonly web: Web;
  readonly symbols: ProjectSymbols;
}

/** What the model may use in a conversation, and what it is told about it. */
export async function toolboxFor(
  { store, editors, executions, mcp, web, symbols }: ToolboxDeps,
  conversationId: string,
  task: Task | undefined,
  signal: AbortSignal,
): Promise<Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>> {
  const projectId = (await store.conversation(conversationId))?.projectId ?? null;
  const workspace = projectId === null ? null : await editors.present(projectId, signal);
  const tools: Tool[] = [
    ...(workspace ? workspaceTools : []),
    ...(workspace && !workspace.restricted ? changingTools : []),
    ...(workspace?.commands && !workspace.restricted ? commandTools : []),
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
      rules,
    }),
    fileRules: allRules.filter(({ globs }) => globs),
    rulesChars: rules.reduce((chars, { text }) => chars + text.length, 0),
    ...(projectId !== null && workspace && tools.includes(symbolSearch)
      ? { projectMap: (focus) => mapOf(symbols, projectId, workspace, focus) }
      : {}),
    services: toolServices({ store, editors, executions, web, symbols }, conversationId, projectId),
  };
}

/** What the tools of a conversation stand on; without a project there is no workspace. */
export function toolServices(
  {
    store,
    editors,
    executions,
    web,
    symbols,
  }: Pick<ToolboxDeps, 'store' | 'editors' | 'executions' | 'web' | 'symbols'>,
  conversationId: string,
  projectId: string | null,
): ToolServices {
  return {
    conversationId,
    web,
    symbols: async (during) => {
      if (projectId === null) throw noWorkspace();
      return symbols.fresh(projectId, await editors.workspace(projectId, during), during);
    },
    workspace: async (during) => {
      if (projectId === null) throw noWorkspace();
      return editors.workspace(projectId, during);
    },
    putText: (text) => store.putBlob({ mediaType: 'text/plain', data: Buffer.from(text) }),
    getText: async (hash) => {
      const blob = await store.blob(hash);
      return blob && Buffer.from(blob.data).toString();
    },
    putImage: (mediaType, data) => store.putBlob({ mediaType, data }),
    execute: async (request, hear, during): Promise<ExecutionRecord> => {
      const run = await executions.start(request, conversationId);
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
