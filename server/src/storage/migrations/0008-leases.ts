import type { Migration } from './migration.ts';

/** Adds the lease of a conversation: the server that runs its turns, and until when. */
export const leases: Migration = {
  version: 8,
  name: 'leases',
  async up({ schema }) {
    await schema.alterTable('conversations').addColumn('node', 'text').execute();
    await schema.alterTable('conversations').addColumn('leased_until', 'bigint').execute();
    await schema
      .alterTable('conversations')
      .addColumn('fence', 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
  },
};
