import { Budget } from '@devlm/protocol/budgets.ts';
import { type SqlBool, sql } from 'kysely';
import type { BudgetDecision, BudgetRequest, BudgetStore, ExceededBudget, Raise, Spender } from '../ports/budgets.ts';
import type { Store } from '../ports/store.ts';
import { storeDamaged } from '../problems.ts';
import type { SqlAccess } from './access.ts';
import type { BudgetTable, Db, Tx } from './schema.ts';

/** The budgets of an SQL store. */
export class SqlBudgets implements BudgetStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  list(): Promise<Budget[]> {
    return this.#sql.read(listBudgets);
  }

  save({ id, scope, subject, period, limitUsd, action }: Budget): Promise<void> {
    const values = { scope, subject, period, limit_usd: limitUsd, action };
    return this.#sql.write(async (tx) => {
      await tx
        .insertInto('budgets')
        .values({ id, ...values })
        .onConflict((oc) => oc.column('id').doUpdateSet(values))
        .execute();
    });
  }

  remove(id: string): Promise<Budget | null> {
    return this.#sql.write(async (tx) => {
      const row = await tx.deleteFrom('budgets').where('id', '=', id).returningAll().executeTakeFirst();
      return row ? toBudget(row) : null;
    });
  }

  reserve(request: BudgetRequest): Promise<BudgetDecision> {
    return this.#sql.write((tx) => reserve(tx, this.#sql.kind, request, this.#sql.now()));
  }

  renew(node: string, until: Date): Promise<void> {
    return this.#sql.write(async (tx) => {
      await tx.updateTable('reservations').set({ until: until.getTime() }).where('node', '=', node).execute();
    });
  }

  release(id: string): Promise<void> {
    return this.#sql.write(async (tx) => {
      await tx.deleteFrom('reservations').where('id', '=', id).execute();
    });
  }

  raise(budget: Budget, by: Raise): Promise<void> {
    return this.#sql.write((tx) => updatePeriod(tx, budget, by, { warned: 0, raised_usd: by.usd }));
  }
}

/** Key of the advisory lock: a fixed number that differs from those of the migrations and token keys. */
const lockKey = 0x64_65_76_6c_62;

async function reserve(tx: Tx, kind: Store['kind'], request: BudgetRequest, now: Date): Promise<BudgetDecision> {
  // On SQLite the transaction itself holds the write lock.
  if (kind === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(lockKey)})`.execute(tx);
  await tx.deleteFrom('reservations').where('until', '<', now.getTime()).execute();
  const blockingBudgets: ExceededBudget[] = [];
  const warnings: ExceededBudget[] = [];
  for (const budget of await listBudgets(tx)) {
    const subject = subjectOf(budget, request);
    if (subject === null) continue;
    const since = request.since(budget)?.getTime() ?? 0;
    const period = await tx
      .selectFrom('budget_periods')
      .selectAll()
      .where('budget_id', '=', budget.id)
      .where('subject', '=', subject)
      .where('since', '=', since)
      .executeTakeFirst();
    const limitUsd = budget.limitUsd + (period?.raised_usd ?? 0);
    const spentUsd = await spentUsdOf(tx, budget, request, since);
    // A tolerance of a thousandth of a cent for rounding errors of the sums.
    if (spentUsd + request.amountUsd <= limitUsd + 1e-5) continue;
    const exceeded = { budget, spentUsd, limitUsd };
    if (budget.action !== 'warn') {
      if (!request.exemptBudgetIds.has(budget.id)) blockingBudgets.push(exceeded);
    } else if (request.warns && !period?.warned) {
      warnings.push(exceeded);
    }
  }
  if (blockingBudgets.length > 0) return { admitted: false, blockingBudgets, warnings: [] };
  for (const { budget } of warnings) await updatePeriod(tx, budget, request, { warned: 1, raised_usd: 0 });
  await tx
    .insertInto('reservations')
    .values({
      id: request.id,
      node: request.node,
      user_id: request.userId,
      project_id: request.projectId,
      conversation_id: request.conversationId,
      turn_id: request.turnId,
      amount_usd: request.amountUsd,
      made_at: now.getTime(),
      until: request.until.getTime(),
    })
    .execute();
  return { admitted: true, blockingBudgets, warnings };
}

async function updatePeriod(
  tx: Tx,
  budget: Budget,
  spender: Spender & Pick<BudgetRequest, 'since'>,
  change: { warned: number; raised_usd: number },
): Promise<void> {
  const subject = subjectOf(budget, spender);
  if (subject === null) return;
  const since = spender.since(budget)?.getTime() ?? 0;
  await tx
    .insertInto('budget_periods')
    .values({ budget_id: budget.id, subject, since, ...change })
    .onConflict((oc) =>
      oc.columns(['budget_id', 'subject', 'since']).doUpdateSet((eb) => ({
        warned: sql<number>`case when ${eb.ref('excluded.warned')} = 1 then 1 else ${eb.ref('budget_periods.warned')} end`,
        raised_usd: eb('budget_periods.raised_usd', '+', eb.ref('excluded.raised_usd')),
      })),
    )
    .execute();
}

/** Returns the subject that the budget applies to for this spender; null if the budget does not apply. */
function subjectOf({ scope, subject }: Budget, { userId, projectId, conversationId, turnId }: Spender): string | null {
  switch (scope) {
    case 'team':
      return '';
    case 'user':
      return subject === null || subject === userId ? userId : null;
    case 'project':
      return subject === null || subject === projectId ? projectId : null;
    case 'turn':
      return turnId === null || conversationId === null ? null : `${conversationId}/${turnId}`;
  }
}

async function spentUsdOf(tx: Tx, { scope }: Budget, spender: Spender, since: number): Promise<number> {
  const matchesSpender = () => {
    switch (scope) {
      case 'team':
        return sql<SqlBool>`1 = 1`;
      case 'user':
        return sql<SqlBool>`user_id = ${spender.userId}`;
      case 'project':
        return sql<SqlBool>`project_id = ${spender.projectId}`;
      case 'turn':
        return sql<SqlBool>`conversation_id = ${spender.conversationId} and turn_id = ${spender.turnId}`;
    }
  };
  // Both sums come from one statement, which sees the store at one moment. With two statements, a call that ends in
  // between, no longer reserved and not yet in the ledger, could be in neither sum.
  const { settled, open } = await tx
    .selectNoFrom((eb) => [
      eb
        .selectFrom('ledger')
        .select((ledger) => ledger.fn.sum<number>('counted_usd').as('usd'))
        .where('at', '>=', since)
        .where(matchesSpender())
        .as('settled'),
      eb
        .selectFrom('reservations')
        .select((reservations) => reservations.fn.sum<number>('amount_usd').as('usd'))
        .where(matchesSpender())
        .as('open'),
    ])
    .executeTakeFirstOrThrow();
  return (settled ?? 0) + (open ?? 0);
}

async function listBudgets(db: Db): Promise<Budget[]> {
  return (await db.selectFrom('budgets').selectAll().orderBy('id').execute()).map(toBudget);
}

function toBudget({ limit_usd, ...row }: BudgetTable): Budget {
  const budget = Budget.safeParse({ ...row, limitUsd: limit_usd });
  if (!budget.success) throw storeDamaged(`Cannot read the stored budget ${row.id}.`);
  return budget.data;
}
