import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Adds the table of the keys that sign tokens, sealed. */
export const tokenKeys: Migration = {
  version: 9,
  name: 'token-keys',
  async up({ schema }, kind) {
    await schema
      .createTable('token_keys')
      .addColumn('kid', 'text', (c) => c.primaryKey().notNull())
      .addColumn('number', 'bigint', (c) => c.notNull().unique())
      .addColumn('data', kind === 'sqlite' ? sql`blob` : sql`bytea`, (c) => c.notNull())
      .execute();
  },
};
