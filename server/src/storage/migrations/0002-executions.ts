import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Adds the tables of executed programs and their results. */
export const executions: Migration = {
  version: 2,
  name: 'executions',
  async up(db, kind) {
    const { schema } = db;
    const bytes = kind === 'sqlite' ? sql`blob` : sql`bytea`;
    await schema
      .createTable('code_snippets')
      .addColumn('hash', 'text', (c) => c.primaryKey().notNull())
      .addColumn('language', 'text', (c) => c.notNull())
      .addColumn('data', bytes, (c) => c.notNull())
      .execute();
    await schema
      .createTable('execution_results')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('snippet_hash', 'text', (c) => c.notNull().references('code_snippets.hash'))
      .addColumn('input_hash', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('conversation_id', 'text', (c) => c.references('conversations.id').onDelete('cascade'))
      .addColumn('turn_id', 'text')
      .addColumn('part', 'text')
      .addColumn('ended_at', 'bigint', (c) => c.notNull())
      .addColumn('data', bytes, (c) => c.notNull())
      .execute();
    const index = (name: string, columns: string[]) =>
      schema.createIndex(`execution_results_${name}`).on('execution_results').columns(columns).execute();
    await index('input', ['input_hash', 'ended_at']);
    await index('conversation', ['conversation_id', 'ended_at']);
    await index('ended', ['ended_at']);
    await index('snippet', ['snippet_hash']);
  },
};
