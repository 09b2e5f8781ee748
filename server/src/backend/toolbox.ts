import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Editors } from '../actions/editors.ts';
import { readRules } from '../actions/rules.ts';
import type { Tool } from '../actions/tool.ts';
import { changingTools, codeTools, workspaceTools } from '../actions/tools.ts';
import type { LoopDeps } from '../agent/loop.ts';
import { systemPrompt } from '../agent/prompt.ts';
import type { Store } from '../storage/store.ts';
import { type Executions, LiveExecution } from './executions.ts';

export interface ToolboxDeps {
  readonly store: Store;
  readonly editors: Editors;
  readonly executions: Executions;
}

/** What the model may use in a conversation, and what it is told about it. */
export async function toolboxFor(
  { store, editors, executions }: ToolboxDeps,
  conversationId: string,
  signal: AbortSignal,
): Promise<Pick<LoopDeps, 'tools' | 'services' | 'system'>> {
  const projectId = (await store.conversation(conversationId))?.projectId ?? null;
  const workspace = projectId === null ? null : await editors.present(projectId, signal);
  const tools: Tool[] = [
    ...(workspace ? workspaceTools : []),
    ...(workspace && !workspace.restricted ? changingTools : []),
    ...(executions.enabled && !workspace?.restricted ? codeTools : []),
  ];
  return {
    tools,
    system: systemPrompt({
      tools: tools.map(({ name }) => name),
      folders: workspace?.folders ?? [],
      rules: workspace && !workspace.restricted ? await readRules(workspace, signal) : [],
    }),
    services: {
      conversationId,
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
    },
  };
}

function noWorkspace(): ProblemError {
  const detail = 'This conversation belongs to no project: there is no workspace to work on.';
  return new ProblemError({ code: 'no_workspace', status: 409, title: 'No workspace', detail });
}
