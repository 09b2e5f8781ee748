import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import type { Context } from '../context.ts';
import type { Identity } from './identity/tokens.ts';
import type { MessagesCall, MessagesOptions } from './messages.ts';

/** Returns the callbacks through which calls to the Messages endpoint count toward budgets and enter the ledger. */
export function apiSpending({
  store,
  provider,
  budgets,
  notices,
  logger,
}: Pick<Context, 'store' | 'provider' | 'budgets' | 'notices' | 'logger'>): Required<
  Pick<MessagesOptions, 'reserve' | 'onCall'>
> {
  return {
    // The part of the prompt that is in the provider's cache is not known here, so all of it counts as uncached.
    reserve: ({ identity, model, bytes }) =>
      budgets.reserve(spenderOf(identity), { model, promptTokens: estimateTokens(bytes) }),
    async onCall({ identity, ...call }: MessagesCall): Promise<void> {
      const { model, usage } = call;
      const costUsd = model === null ? null : provider.costOf(model, usage);
      const countedUsd = costUsd ?? provider.countedCost(model ?? '', usage);
      try {
        await store.ledger.add({
          ...call,
          ...spenderOf(identity),
          at: Date.now(),
          purpose: 'api',
          costUsd,
          countedUsd,
        });
        notices.usageChanged();
      } catch (error) {
        logger.error({ err: error }, 'cannot record a call in the ledger');
      }
    },
  };
}

const spenderOf = ({ user }: Identity) => ({ userId: user, projectId: null, conversationId: null, turnId: null });
