import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { startPostgres } from '../support/postgres.ts';

const program = fileURLToPath(new URL('../support/reserve-loop.ts', import.meta.url));
let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

test('two servers with one database pass a budget by no more than a call each', { timeout: 120_000 }, async () => {
  const url = await postgres.createDatabase();
  const store = await openPostgres({ url, version: '0.1.0' });
  try {
    const terms = { scope: 'user', subject: null, period: 'day', limitUsd: 10, action: 'stop' } as const;
    await store.budgets.save({ id: 'day', ...terms });
    const cost = 1.3;
    const run = () => promisify(execFile)(process.execPath, ['--no-warnings', program, url, '50', String(cost)]);
    const outputs = await Promise.all([run(), run()]);
    const made = outputs.reduce((sum, { stdout }) => sum + Number(stdout), 0);
    const { costUsd } = await store.ledger.usageSince(new Date(0));
    expect(costUsd).toBeCloseTo(made * cost);
    // Ten calls were admitted at 1 USD each. The budget is exceeded only by what each costs beyond that.
    expect(made).toBeGreaterThanOrEqual(7);
    expect(made).toBeLessThanOrEqual(10);
  } finally {
    await store.close();
  }
});
