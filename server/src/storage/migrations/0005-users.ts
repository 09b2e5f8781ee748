import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Adds users and the owner of everything. Existing data belongs to the user `local`. */
export const users: Migration = {
  version: 5,
  name: 'users',
  async up(db) {
    const { schema } = db;
    await schema
      .createTable('users')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('email', 'text')
      .addColumn('role', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('disabled_at', 'bigint')
      .execute();
    await sql`
      insert into users (id, name, role, created_at) values ('local', 'local', 'admin', ${Date.now()})`.execute(db);
    for (const table of ['tokens', 'conversations', 'execution_results'])
      await schema
        .alterTable(table)
        .addColumn('user_id', 'text', (c) => c.notNull().defaultTo('local'))
        .execute();
    await schema
      .createIndex('conversations_user')
      .on('conversations')
      .columns(['user_id', 'updated_at', 'id'])
      .where(sql.ref('deleted_at'), 'is', null)
      .execute();
    await schema
      .createTable('projects')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('user_id', 'text', (c) => c.notNull())
      .execute();
    await sql`
      insert into projects (id, user_id)
      select distinct project_id, 'local' from conversations where project_id is not null`.execute(db);
  },
};
