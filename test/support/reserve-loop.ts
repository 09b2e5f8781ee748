import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';

/*
 * Program that reserves a number of calls at 1 USD each concurrently, makes the admitted ones and prints their number:
 * `reserve-loop.ts DATABASE COUNT COST`.
 */

const [url = '', count = '0', cost = '1'] = process.argv.slice(2);
const store = await openPostgres({ url, version: '0.1.0' });
const spender = { userId: 'ann', projectId: null, conversationId: null, turnId: null };
const noUsage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

async function call(index: number): Promise<boolean> {
  const id = `${process.pid}-${index}`;
  const { admitted } = await store.budgets.reserve({
    ...spender,
    id,
    node: String(process.pid),
    amountUsd: 1,
    until: new Date(Date.now() + 60_000),
    exemptBudgetIds: new Set(),
    warns: false,
    since: () => new Date(0),
  });
  if (!admitted) return false;
  await store.ledger.add({
    ...spender,
    at: Date.now(),
    purpose: 'api',
    model: null,
    instance: null,
    usage: noUsage,
    costUsd: Number(cost),
    countedUsd: Number(cost),
    latencyMs: null,
    firstTokenMs: null,
    outcome: 'answered',
  });
  await store.budgets.release(id);
  return true;
}

const admissions = await Promise.all(Array.from({ length: Number(count) }, (_, index) => call(index)));
process.stdout.write(`${admissions.filter(Boolean).length}\n`);
await store.close();
