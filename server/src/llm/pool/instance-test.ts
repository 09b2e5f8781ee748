import type { InstanceTested } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { Store } from '../../storage/ports/store.ts';
import type { Provider } from '../provider.ts';
import type { Instance } from './instance.ts';

/** Timeout of a test, in milliseconds. */
const timeoutMs = 60_000;
/** Spender of a test call, which is not charged to a user, project or conversation. */
const testSpender = { userId: localUser, projectId: null, conversationId: null, turnId: null };
const testMessages = [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }] as const;

/**
 * Tests an instance by a call of one token that bypasses the queue and the breaker. The call is recorded in the ledger.
 * Rejects with the signal's reason.
 *
 * @param model default: the first model that the instance lists and serves
 */
export async function testInstance(
  instance: Instance,
  model: string | undefined,
  { store, provider }: { readonly store: Store; readonly provider: Provider },
  signal: AbortSignal,
): Promise<InstanceTested> {
  const start = performance.now();
  const elapsedMs = () => Math.round(performance.now() - start);
  let testedModel = model ?? '';
  const done = (detail: string): InstanceTested => ({
    ok: detail === '',
    model: testedModel,
    latencyMs: elapsedMs(),
    detail,
  });
  const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const client = provider.connect(instance);
    const served = model === undefined ? await client.models(ended) : [];
    testedModel ||= served.find((info) => instance.serves(info.id))?.id ?? '';
    if (!testedModel) return done('The instance lists no model that it is configured to serve. Specify a model.');
    const request = {
      model: instance.idOf(testedModel),
      system: 'Say yes.',
      messages: testMessages,
      tools: [],
      thinking: false,
      maxTokens: 1,
    };
    for await (const event of client.stream(request, ended)) {
      if (event.type !== 'ended') continue;
      await store.ledger.add({
        at: Date.now(),
        ...testSpender,
        purpose: 'api',
        model: testedModel,
        instance: instance.id,
        usage: event.usage,
        costUsd: provider.costOf(testedModel, event.usage),
        countedUsd: provider.countedCost(testedModel, event.usage),
        latencyMs: elapsedMs(),
        firstTokenMs: null,
        outcome: 'answered',
      });
    }
    return done('');
  } catch (error) {
    signal.throwIfAborted();
    if (ended.aborted) return done('The instance did not respond in time.');
    if (error instanceof ProblemError) return done(error.problem.detail);
    throw error;
  }
}
