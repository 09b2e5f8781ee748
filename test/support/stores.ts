import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEvent } from '../../server/src/storage/ports/events.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { startPostgres } from './postgres.ts';

/** Key with which the stores encrypt. */
const key = new Uint8Array(32).fill(9);

/** Kinds of stores that the contract suite covers. */
export const storeKinds = ['sqlite', 'postgres'] as const;

/** Creates separate, empty stores of one kind. */
export interface StoreMaker extends AsyncDisposable {
  /** Returns a new location for a store: the path of a file or the URL of a database. */
  place(): Promise<string>;
  /** Opens the store at a location. */
  open(place: string, now?: () => Date): Promise<Store>;
  /** Opens a store at a new location, which is closed with the maker. */
  fresh(now?: () => Date): Promise<Store>;
}

/** Returns a maker for a kind of store. */
export async function makeStores(kind: Store['kind']): Promise<StoreMaker> {
  const opened: Store[] = [];
  const places = kind === 'sqlite' ? files() : await databases();
  const open = (place: string, now?: () => Date) =>
    kind === 'sqlite'
      ? openSqlite({ file: place, version: '0.1.0', now, key })
      : openPostgres({ url: place, version: '0.1.0', now, key });
  return {
    place: places.next,
    open,
    async fresh(now) {
      const store = await open(await places.next(), now);
      opened.push(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store.close();
      await places[Symbol.asyncDispose]();
    },
  };
}

interface Places extends AsyncDisposable {
  next(): Promise<string>;
}

function files(): Places {
  const folder = mkdtempSync(join(tmpdir(), 'devlm-store-'));
  let count = 0;
  return {
    next: async () => join(folder, String(++count), 'devlm.db'),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function databases(): Promise<Places> {
  const server = await startPostgres({ sync: false });
  return { next: () => server.createDatabase(), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Clock that a test advances. */
export class Clock {
  time = Date.UTC(2026, 0, 1);
  readonly now = (): Date => new Date(this.time);
  advance(milliseconds: number): Date {
    this.time += milliseconds;
    return this.now();
  }
}

const noUsage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/** Returns events as the agent appends them. */
export const events = {
  turn(turnId: string, parent: string | null = null, text = `Message ${turnId}`): NewEvent {
    return { type: 'turn.created', turnId, parent, text, attachments: [], model: null, thinking: false };
  },
  image(turnId: string, blob: string, parent: string | null = null): NewEvent {
    const image = { kind: 'image', name: 'a.png', mediaType: 'image/png', blob, bytes: 3 } as const;
    return { type: 'turn.created', turnId, parent, text: 'Look', attachments: [image], model: null, thinking: false };
  },
  started: (turnId: string, attempt = 1): NewEvent => ({ type: 'turn.started', turnId, attempt }),
  delta: (turnId: string, text: string, stepId = `${turnId}-step`): NewEvent => ({
    type: 'block.delta',
    turnId,
    stepId,
    index: 0,
    text,
  }),
  stepEnded: (turnId: string, costUsd: number | null, usage: Partial<typeof noUsage> = {}): NewEvent => ({
    type: 'step.ended',
    turnId,
    stepId: `${turnId}-step`,
    stopReason: 'end_turn',
    usage: { ...noUsage, ...usage },
    costUsd,
    model: 'model',
  }),
  ended: (turnId: string): NewEvent => ({ type: 'turn.ended', turnId, outcome: 'completed' }),
  /** Returns all events of a turn from its start to its end, with an answer in two deltas. */
  answer(turnId: string, text: string, costUsd: number | null = 0): NewEvent[] {
    const stepId = `${turnId}-step`;
    const half = Math.floor(text.length / 2);
    return [
      events.started(turnId),
      { type: 'step.started', turnId, stepId, model: 'model' },
      { type: 'block.started', turnId, stepId, index: 0, kind: 'text' },
      events.delta(turnId, text.slice(0, half)),
      events.delta(turnId, text.slice(half)),
      { type: 'block.ended', turnId, stepId, index: 0 },
      events.stepEnded(turnId, costUsd, { inputTokens: 10, outputTokens: 5 }),
      events.ended(turnId),
    ];
  },
};
