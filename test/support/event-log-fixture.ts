import { mkdirSync, writeFileSync } from 'node:fs';
import type { Event } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation, joinDeltas, shownPath } from '@devlm/protocol/reducer.ts';
import { toMessages } from '../../server/src/agent/prompt.ts';
import { promptView } from '../../server/src/agent/prompt-view.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';

/*
 * Event logs that released versions wrote. Each file has the events of a conversation, and the state and the messages
 * to the model that the same version folded them to. Before a release that changes events:
 * `node test/support/event-log-fixture.ts VERSION FILE` records the conversations of a SQLite store, such as the copy of
 * a `devlm.db` that was made with the new version.
 */

/** Folder of the recorded logs. They are never changed. */
export const eventLogs = new URL('../unit/fixtures/event-logs/', import.meta.url);

/** Maximum number of events of a recorded conversation. */
const maxEvents = 1_000;

/** Returns the content of a recorded log. */
async function recordOf(id: string, stored: readonly Event[]): Promise<string> {
  const events = joinDeltas(stored);
  const state = events.reduce(applyEvent, emptyConversation(id));
  const { turns, lead } = promptView(shownPath(state).turns);
  const messages = await toMessages(turns, async () => null, { lead });
  return `${JSON.stringify({ events, state, messages }, null, 1)}\n`;
}

async function writeFixtures(version: string, file: string): Promise<void> {
  const target = new URL(`v${version}/`, eventLogs);
  mkdirSync(target, { recursive: true });
  const store = await openSqlite({ file, version });
  try {
    const { items } = await store.conversations.list({ limit: 100 });
    for (const { id } of items) {
      const content = await recordOf(id, await store.events.read(id, 0, maxEvents));
      writeFileSync(new URL(`${id}.json`, target), content);
    }
    console.log(`${items.length} event logs in ${target.pathname}`);
  } finally {
    await store.close();
  }
}

if (import.meta.main) {
  const [version, file] = process.argv.slice(2);
  if (version === undefined || file === undefined)
    throw new Error('Which version and store? node test/support/event-log-fixture.ts 0.1.0 devlm.db');
  await writeFixtures(version, file);
}
