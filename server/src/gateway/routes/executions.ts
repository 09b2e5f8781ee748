import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { type Executions, LiveExecution, replay } from '../../backend/executions.ts';
import type { StreamMessage } from '../sse.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about program runs and the sandbox. */
export function executionHandlers(executions: Executions): HandlersOf<'executions' | 'snippets' | 'sandbox'> {
  return {
    'executions.run': async ({ body }, { identity, signal, wantsStream }) => {
      const started = await executions.start(body, identity.user);
      if (wantsStream) return toMessages(started, signal);
      return started instanceof LiveExecution ? recordOf(started, signal) : started;
    },
    'executions.get': async ({ params }, { signal, wantsStream }) =>
      wantsStream ? toMessages(await executions.find(params.executionId), signal) : executions.get(params.executionId),
    'executions.cancel': ({ params }) => executions.cancel(params.executionId),
    'executions.list': async ({ query }) => ({ items: await executions.list(query.conversationId) }),
    'snippets.get': ({ params }, { identity }) => executions.snippet(params.hash, identity.user),
    'sandbox.status': () => executions.status(),
  };
}

/** Returns the record of a run. Cancels the run if the client, which waits only for the record, disconnects. */
async function recordOf(run: LiveExecution, signal: AbortSignal): Promise<ExecutionRecord> {
  const cancel = () => run.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  return await run.ended.finally(() => signal.removeEventListener('abort', cancel));
}

async function* toMessages(run: LiveExecution | ExecutionRecord, signal: AbortSignal): AsyncGenerator<StreamMessage[]> {
  const source = run instanceof LiveExecution ? run.follow(signal) : [replay(run)];
  try {
    for await (const events of source) yield events.map((data) => ({ data }));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
