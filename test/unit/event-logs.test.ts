import { readdirSync, readFileSync } from 'node:fs';
import { Event } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { toMessages } from '../../server/src/agent/prompt.ts';
import { promptView } from '../../server/src/agent/prompt-view.ts';

/**
 * Event logs that released versions wrote. Each file has the events of a conversation, and the state and the messages
 * to the model that the same version folded them to. They are never changed.
 */
const fixtures = new URL('fixtures/event-logs/', import.meta.url);

const Recorded = z.object({
  events: z.array(Event),
  state: z.looseObject({ id: z.string() }),
  messages: z.array(z.json()),
});

/** Returns a value as it is after a round trip through JSON, without the members that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const logs = readdirSync(fixtures).flatMap((version) =>
  readdirSync(new URL(`${version}/`, fixtures)).map((name): [string, string] => [version, name]),
);

describe.each(logs)('an event log of %s, %s', (version, name) => {
  const { events, state, messages } = Recorded.parse(
    JSON.parse(readFileSync(new URL(`${version}/${name}`, fixtures), 'utf8')),
  );
  const folded = events.reduce(applyEvent, emptyConversation(state.id));

  it('folds to the state that its version showed', () => {
    expect(plain(folded)).toEqual(state);
  });

  it('gives the messages that its version sent to the model', async () => {
    const { turns, lead } = promptView(shownPath(folded).turns);
    expect(plain(await toMessages(turns, async () => null, { lead }))).toEqual(messages);
  });
});
