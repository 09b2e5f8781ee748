import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';

/*
 * Program that appends a number of events unless it is killed earlier: `append-loop.ts FILE CONVERSATION COUNT`. FILE
 * can be the URL of a PostgreSQL database. Each line of its output is the text of an event that the store has
 * acknowledged.
 */

const [file = '', conversationId = '', count = '0'] = process.argv.slice(2);
const store = file.startsWith('postgresql:')
  ? await openPostgres({ url: file, version: '0.1.0' })
  : await openSqlite({ file, version: '0.1.0' });
await store.conversations.create({ id: conversationId, title: '', projectId: null });
const turnId = `turn-${process.pid}`;
const turn = { parent: null, text: 'Go', attachments: [], model: null, thinking: false };
await store.events.append(conversationId, [{ type: 'turn.created', turnId, ...turn }]);
for (let i = 0; i < Number(count); i++) {
  const text = `${process.pid}.${i}`;
  await store.events.append(conversationId, [{ type: 'block.delta', turnId, stepId: 'step', index: 0, text }]);
  process.stdout.write(`${text}\n`);
  await new Promise((resolve) => setImmediate(resolve));
}
await store.close();
