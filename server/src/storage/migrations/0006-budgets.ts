import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Adds the user, project, turn and instance of each call, and the tables of budgets. */
export const budgets: Migration = {
  version: 6,
  name: 'budgets',
  async up(db) {
    const { schema } = db;
    const add = (column: string, type: 'text' | 'bigint' | 'double precision', defaultValue?: string | number) =>
      schema
        .alterTable('ledger')
        .addColumn(column, type, (c) => (defaultValue === undefined ? c : c.notNull().defaultTo(defaultValue)))
        .execute();
    await add('user_id', 'text', 'local');
    await add('project_id', 'text');
    await add('turn_id', 'text');
    await add('instance', 'text');
    await add('thinking_tokens', 'bigint', 0);
    await add('counted_usd', 'double precision', 0);
    await sql`update ledger set counted_usd = coalesce(cost_usd, 0)`.execute(db);
    await sql`
      update ledger set project_id = (
        select project_id from conversations where conversations.id = ledger.conversation_id
      ) where conversation_id is not null`.execute(db);
    await schema.createIndex('ledger_user').on('ledger').columns(['user_id', 'at']).execute();
    await schema.createIndex('ledger_project').on('ledger').columns(['project_id', 'at']).execute();
    await schema.createIndex('ledger_turn').on('ledger').columns(['conversation_id', 'turn_id']).execute();

    await schema
      .createTable('budgets')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('scope', 'text', (c) => c.notNull())
      .addColumn('subject', 'text')
      .addColumn('period', 'text', (c) => c.notNull())
      .addColumn('limit_usd', 'double precision', (c) => c.notNull())
      .addColumn('action', 'text', (c) => c.notNull())
      .execute();
    await schema
      .createTable('budget_periods')
      .addColumn('budget_id', 'text', (c) => c.notNull().references('budgets.id').onDelete('cascade'))
      .addColumn('subject', 'text', (c) => c.notNull())
      .addColumn('since', 'bigint', (c) => c.notNull())
      .addColumn('raised_usd', 'double precision', (c) => c.notNull())
      .addColumn('warned', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('budget_periods_key', ['budget_id', 'subject', 'since'])
      .execute();
    await schema
      .createTable('reservations')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('node', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull())
      .addColumn('project_id', 'text')
      .addColumn('conversation_id', 'text')
      .addColumn('turn_id', 'text')
      .addColumn('amount_usd', 'double precision', (c) => c.notNull())
      .addColumn('made_at', 'bigint', (c) => c.notNull())
      .addColumn('until', 'bigint', (c) => c.notNull())
      .execute();
  },
};
