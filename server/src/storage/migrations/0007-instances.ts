import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Adds the table of Claude instances (credential and endpoint) that are added at run time, sealed. */
export const instances: Migration = {
  version: 7,
  name: 'instances',
  async up({ schema }, kind) {
    await schema
      .createTable('instances')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('data', kind === 'sqlite' ? sql`blob` : sql`bytea`, (c) => c.notNull())
      .execute();
  },
};
