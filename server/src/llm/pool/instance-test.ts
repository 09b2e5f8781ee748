import type { InstanceTested } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { Store } from '../../storage/ports/store.ts';
import type { Provider } from '../provider.ts';
import type { Instance } from './instance.ts';

/** A test is given up after so long, in milliseconds. */
const testMs = 60_000;
/** A test of an instance is no part of anybody's work. */
const nobody = { userId: localUser, projectId: null, conversationId: null, turnId: null };
const hello = [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }] as const;

/**
 * Tests an instance by a call of one token, past the line and the breaker. The call is noted in the ledger. Rejects with
 * the signal's reason.
 *
 * @param model default: the first that the instance lists and serves
 */
export async function testInstance(
  instance: Instance,
  model: string | undefined,
  { store, provider }: { readonly store: Store; readonly provider: Provider },
  signal: AbortSignal,
): Promise<InstanceTested> {
  const start = performance.now();
  const elapsedMs = () => Math.round(performance.now() - start);
  let asked = model ?? '';
  const done = (detail: string): InstanceTested => ({
    ok: detail === '',
    model: asked,
    latencyMs: elapsedMs(),
    detail,
  });
  const ended = AbortSignal.any([signal, AbortSignal.timeout(testMs)]);
  try {
    const client = provider.connect(instance);
    const served = model === undefined ? await client.models(ended) : [];
    asked ||= served.find((one) => instance.serves(one.id))?.id ?? '';
    if (!asked) return done('It lists no model that it may be asked for. Name one.');
    const request = {
      model: instance.idOf(asked),
      system: 'Say yes.',
      messages: hello,
      tools: [],
      thinking: false,
      maxTokens: 1,
    };
    for await (const event of client.stream(request, ended)) {
      if (event.type !== 'ended') continue;
      await store.ledger.add({
        at: Date.now(),
        ...nobody,
        purpose: 'api',
        model: asked,
        instance: instance.id,
        usage: event.usage,
        costUsd: provider.costOf(asked, event.usage),
        countedUsd: provider.countedCost(asked, event.usage),
        latencyMs: elapsedMs(),
        firstTokenMs: null,
        outcome: 'answered',
      });
    }
    return done('');
  } catch (error) {
    signal.throwIfAborted();
    if (ended.aborted) return done('It did not answer in time.');
    if (error instanceof ProblemError) return done(error.problem.detail);
    throw error;
  }
}
