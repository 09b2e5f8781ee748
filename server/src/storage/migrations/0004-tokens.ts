import type { Migration } from './migration.ts';

/** Adds the table of access tokens, without the tokens themselves. */
export const tokens: Migration = {
  version: 4,
  name: 'tokens',
  async up({ schema }) {
    await schema
      .createTable('tokens')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('scopes', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .addColumn('revoked_at', 'bigint')
      .execute();
  },
};
