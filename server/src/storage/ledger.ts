import type { Usage } from '@devlm/protocol/events.ts';
import type { UsageTotal } from '@devlm/protocol/views.ts';
import { CompiledQuery, sql } from 'kysely';
import type { Spender } from './budgets.ts';
import type { Db, LedgerTable, Tx } from './schema.ts';

/** One call of a model, as the ledger has it. */
export interface LedgerCall extends Spender {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `chat`: a step of an answer. `search`: what a tool asked. `api`: a client of the Messages endpoint. */
  readonly purpose: 'chat' | 'compaction' | 'search' | 'api';
  /** As the provider names it; null where it has not said. */
  readonly model: string | null;
  /** Null where it is not known. */
  readonly instance: string | null;
  readonly usage: Usage;
  /** US dollars; null when the model's price is not known. */
  readonly costUsd: number | null;
  /** What budgets count. */
  readonly countedUsd: number;
  /** Milliseconds until the end of the answer; null where nobody measured. */
  readonly latencyMs: number | null;
  /** Milliseconds until the first byte of the answer. */
  readonly firstTokenMs: number | null;
  /** `cut`: it did not come to its end. */
  readonly outcome: 'answered' | 'cut';
}

export async function writeCall(tx: Tx, call: LedgerCall): Promise<void> {
  await tx.insertInto('ledger').values(rowOf(call)).execute();
}

/** Rows of one statement: each number of them has a text of its own. */
const rowsAtOnce = 64;

/**
 * Writes many calls. It keeps the texts of its statements: to build and prepare one for each batch takes 10 of the 115
 * microseconds that a whole call of the Messages endpoint takes.
 */
export function callWriter(): (tx: Tx, calls: readonly LedgerCall[]) => Promise<void> {
  const texts = new Map<number, string>();
  return async (tx, calls) => {
    for (let at = 0; at < calls.length; at += rowsAtOnce) {
      const rows = calls.slice(at, at + rowsAtOnce).map(rowOf);
      const text = texts.get(rows.length) ?? tx.insertInto('ledger').values(rows).compile().sql;
      texts.set(rows.length, text);
      // The columns stand in the order in which `rowOf` names them.
      await tx.executeQuery(CompiledQuery.raw(text, rows.flatMap(Object.values)));
    }
  };
}

function rowOf(call: LedgerCall): Omit<LedgerTable, 'id'> {
  const { usage } = call;
  return {
    at: call.at,
    user_id: call.userId,
    project_id: call.projectId,
    conversation_id: call.conversationId,
    turn_id: call.turnId,
    purpose: call.purpose,
    model: call.model,
    instance: call.instance,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    thinking_tokens: usage.thinkingTokens ?? 0,
    cost_usd: call.costUsd,
    counted_usd: call.countedUsd,
    latency_ms: call.latencyMs,
    first_token_ms: call.firstTokenMs,
    outcome: call.outcome,
  };
}

/** Sum of all calls since the time, of one user or of everybody. */
export function usageSince(db: Db, since: Date, userId?: string): Promise<UsageTotal> {
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
    .$if(userId !== undefined, (query) => query.where('user_id', '=', userId ?? ''))
    .executeTakeFirstOrThrow();
}
