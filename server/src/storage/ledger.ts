import type { Usage } from '@devlm/protocol/events.ts';
import type { UsageTotal } from '@devlm/protocol/views.ts';
import { sql } from 'kysely';
import type { Db, Tx } from './schema.ts';

/** One call of a model, as the ledger has it. */
export interface LedgerCall {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Null: it belongs to no conversation. */
  readonly conversationId: string | null;
  /** `chat`: a step of a turn. `api`: a client of the Messages endpoint. */
  readonly purpose: 'chat' | 'api';
  /** As the provider names it; null where it has not said. */
  readonly model: string | null;
  readonly usage: Usage;
  /** US dollars; null when the model's price is not known. */
  readonly costUsd: number | null;
  /** Milliseconds until the end of the answer; null where nobody measured. */
  readonly latencyMs: number | null;
  /** Milliseconds until the first byte of the answer. */
  readonly firstTokenMs: number | null;
  /** `cut`: it did not come to its end. */
  readonly outcome: 'answered' | 'cut';
}

export async function writeCall(tx: Tx, call: LedgerCall): Promise<void> {
  const { usage } = call;
  await tx
    .insertInto('ledger')
    .values({
      at: call.at,
      conversation_id: call.conversationId,
      purpose: call.purpose,
      model: call.model,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      cache_read_tokens: usage.cacheReadTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      cost_usd: call.costUsd,
      latency_ms: call.latencyMs,
      first_token_ms: call.firstTokenMs,
      outcome: call.outcome,
    })
    .execute();
}

/** Sum of all calls since the time. */
export function usageSince(db: Db, since: Date): Promise<UsageTotal> {
  return db
    .selectFrom('ledger')
    .select((eb) => {
      const sum = (column: 'input_tokens' | 'output_tokens' | 'cache_read_tokens' | 'cache_write_tokens') =>
        eb.fn.coalesce(eb.fn.sum<number>(column), eb.lit(0));
      return [
        sum('input_tokens').as('inputTokens'),
        sum('output_tokens').as('outputTokens'),
        sum('cache_read_tokens').as('cacheReadTokens'),
        sum('cache_write_tokens').as('cacheWriteTokens'),
        eb.fn.coalesce(eb.fn.sum<number>('cost_usd'), eb.lit(0)).as('costUsd'),
        sql<number>`count(*) - count(cost_usd)`.as('unpricedSteps'),
      ];
    })
    .where('at', '>=', since.getTime())
    .executeTakeFirstOrThrow();
}
