import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** The first version of the tables. It was released and is frozen: change the tables by a new migration. */
export const initial: Migration = {
  version: 1,
  name: 'initial',
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a released migration stays as it is.
  async up(db, kind) {
    const { schema } = db;
    const sqlite = kind === 'sqlite';
    const bytes = sqlite ? sql`blob` : sql`bytea`;
    const serial = sqlite ? sql`integer primary key` : sql`bigint generated always as identity primary key`;
    // On SQLite, such a table is a single tree that is clustered by its key, instead of a tree of rows and another one
    // of keys.
    const clustered = sqlite ? sql`without rowid` : sql``;

    await schema
      .createTable('conversations')
      .addColumn('id', 'text', (c) => c.primaryKey().notNull())
      .addColumn('title', 'text', (c) => c.notNull())
      .addColumn('project_id', 'text')
      .addColumn('head', 'text')
      .addColumn('last_seq', 'bigint', (c) => c.notNull())
      .addColumn('turns', 'bigint', (c) => c.notNull())
      .addColumn('open_turns', 'bigint', (c) => c.notNull())
      .addColumn('cost_usd', 'double precision', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addColumn('deleted_at', 'bigint')
      .modifyEnd(clustered)
      .execute();
    await schema
      .createIndex('conversations_newest')
      .on('conversations')
      .columns(['updated_at', 'id'])
      .where(sql.ref('deleted_at'), 'is', null)
      .execute();

    await schema
      .createTable('turns')
      .addColumn('conversation_id', 'text', (c) => c.notNull().references('conversations.id').onDelete('cascade'))
      .addColumn('turn_id', 'text', (c) => c.notNull())
      .addColumn('parent', 'text')
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('attempts', 'bigint', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('created_seq', 'bigint', (c) => c.notNull())
      .addColumn('started_seq', 'bigint')
      .addColumn('ended_seq', 'bigint')
      .addPrimaryKeyConstraint('turns_key', ['conversation_id', 'turn_id'])
      .modifyEnd(clustered)
      .execute();
    await schema
      .createIndex('turns_children')
      .on('turns')
      .columns(['conversation_id', 'parent', 'created_seq'])
      .execute();
    await schema
      .createIndex('turns_open')
      .on('turns')
      .columns(['created_at', 'conversation_id', 'created_seq'])
      .where(sql.ref('status'), '<>', sql.lit('ended'))
      .execute();

    await schema
      .createTable('events')
      .addColumn('conversation_id', 'text', (c) => c.notNull().references('conversations.id').onDelete('cascade'))
      .addColumn('seq', 'bigint', (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('turn_id', 'text')
      .addColumn('data', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('events_key', ['conversation_id', 'seq'])
      .modifyEnd(clustered)
      .execute();

    await schema
      .createTable('blobs')
      .addColumn('hash', 'text', (c) => c.primaryKey().notNull())
      .addColumn('media_type', 'text', (c) => c.notNull())
      .addColumn('touched_at', 'bigint', (c) => c.notNull())
      .addColumn('data', bytes, (c) => c.notNull())
      .execute();
    await schema
      .createTable('blob_uses')
      .addColumn('hash', 'text', (c) => c.notNull())
      .addColumn('conversation_id', 'text', (c) => c.notNull().references('conversations.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('blob_uses_key', ['hash', 'conversation_id'])
      .modifyEnd(clustered)
      .execute();
    await schema.createIndex('blob_uses_conversation').on('blob_uses').column('conversation_id').execute();

    await schema
      .createTable('usage')
      .addColumn('id', serial)
      .addColumn('conversation_id', 'text', (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('input_tokens', 'bigint', (c) => c.notNull())
      .addColumn('output_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cache_read_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cache_write_tokens', 'bigint', (c) => c.notNull())
      .addColumn('cost_usd', 'double precision')
      .execute();
    await schema.createIndex('usage_at').on('usage').column('at').execute();

    await schema
      .createTable('search_texts')
      .addColumn('id', serial)
      .addColumn('conversation_id', 'text', (c) => c.notNull().references('conversations.id').onDelete('cascade'))
      .addColumn('turn_id', 'text')
      .addColumn('part', 'text', (c) => c.notNull())
      .addColumn('text', 'text', (c) => c.notNull())
      .execute();
    await schema.createIndex('search_texts_conversation').on('search_texts').column('conversation_id').execute();
    // Words are inserted already split and folded, so every character except a space is part of a word.
    const index = sqlite
      ? [
          sql`create virtual table search_words using fts5(words, content='', contentless_delete=1, detail=none,
                tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'")`,
          sql`create trigger search_texts_deleted after delete on search_texts begin
                delete from search_words where rowid = old.id; end`,
        ]
      : [
          sql`alter table search_texts add column words tsvector`,
          sql`create index search_texts_words on search_texts using gin (words)`,
        ];
    for (const statement of index) await statement.execute(db);
  },
};
