import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Replaces the usage table with the ledger, which also records the outcome of calls, and calls outside of conversations. */
export const ledger: Migration = {
  version: 3,
  name: 'ledger',
  async up(db, kind) {
    const { schema } = db;
    const serial = kind === 'sqlite' ? sql`integer primary key` : sql`bigint generated always as identity primary key`;
    await schema
      .createTable('ledger')
      .addColumn('id', serial)
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('conversation_id', 'text')
      .addColumn('purpose', 'text', (c) => c.notNull())
      .addColumn('model', 'text')
      .addColumn('input_tokens', 'bigint', (c) => c.notNull())
      .addColumn('output_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cache_read_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cache_write_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cost_usd', 'double precision')
      .addColumn('latency_ms', 'integer')
      .addColumn('first_token_ms', 'integer')
      .addColumn('outcome', 'text', (c) => c.notNull())
      .execute();
    await sql`
      insert into ledger (at, conversation_id, purpose, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost_usd, outcome)
      select at, conversation_id, 'chat', input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost_usd, 'answered' from usage order by id`.execute(db);
    await schema.dropTable('usage').execute();
    await schema.createIndex('ledger_at').on('ledger').column('at').execute();
  },
};
