import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { Problem } from '@devlm/protocol/problem.ts';
import { addTurns, applyEvent, dropTurns, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import type { ConversationState, TurnRecord, TurnState } from '@devlm/protocol/state.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { batch, computed, signal } from '@preact/signals';
import { problemOf, transport } from '../transport.ts';
import { announceTurns } from './announce.ts';

/*
 * The current conversation, folded with the same reducer as on the server. A window of its turns is in memory. The
 * window ends at the head, or at `windowEnd` if the user has scrolled far up.
 */

/**
 * Minimum time between updates with new text, in milliseconds. 15 updates per second look as smooth as 60 at a
 * quarter of the cost.
 */
const foldIntervalMs = 80;
/**
 * Time in which events of the previous subscription may still arrive after a new one, in milliseconds. They are sent
 * again.
 */
const strayMs = 3_000;
/** Number of turns that are loaded at a time. */
const pageSize = 20;

/** The current conversation. Null if it is not created yet. */
export const conversation = signal<ConversationState | null>(null);
/** Summary of the current conversation. Null until the server has created it. */
export const summary = signal<ConversationSummary | null>(null);
/** Id of the last shown turn, if it is not the newest. */
export const windowEnd = signal<string | null>(null);
/** The conversation that is being opened, or that could not be opened. */
export const opening = signal<{ readonly id: string; readonly problem?: Problem } | null>(null);
/** Whether older turns are being loaded. */
export const loadingOlder = signal(false);
/** Scrolls the transcript to its end whenever this number increases. */
export const jumps = signal(0);

/** Parents of all turns seen in this conversation: the path to the head without the turns themselves. */
let parents = new Map<string, string | null>();
let generation = 0;
let queued: ReceivedEvent[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let lastFold = 0;
let subscribedAt = 0;

const path = computed(() => {
  const state = conversation.value;
  return state ? shownPath(state, windowEnd.value ?? state.head) : { turns: [], older: null };
});
/** The turns of the shown branch, oldest first. */
export const shownTurns = computed<readonly TurnState[]>(() => path.value.turns);
/** Id of the turn before the first shown one, or null. */
export const olderTurn = computed(() => path.value.older);

/** The turns that are queued or running. */
export const openTurns = computed<readonly TurnState[]>(() =>
  Object.values(conversation.value?.turns ?? {}).filter(isTurnOpen),
);
/** Number of open turns. */
export const openCount = computed(() => openTurns.value.length);
/** Id of the running turn, or null. */
export const runningTurn = computed(() => openTurns.value.find((turn) => turn.status === 'running')?.id ?? null);

function isTurnOpen(turn: TurnState): boolean {
  return turn.status === 'queued' || turn.status === 'running';
}

/** Closes the current conversation, to show a new one without an id. */
export function closeConversation(): void {
  generation += 1;
  reset(null, null);
  opening.value = null;
  transport.subscribe(null, 0);
}

/** Shows a conversation that the server has not created yet. It has no summary until then. */
export function beginConversation(id: string): void {
  generation += 1;
  reset(emptyConversation(id), null);
  opening.value = null;
}

/** Handles that the server has created the conversation that was begun here. */
export function conversationBegun(created: ConversationSummary): void {
  if (conversation.value?.id !== created.id || summary.value !== null) return;
  summary.value = created;
  subscribe(created.id, conversation.value.lastSeq);
}

let openingDone: Promise<void> = Promise.resolve();

/** Resolves when no conversation is being opened any more, whether or not that succeeded. */
export async function whenOpened(): Promise<void> {
  while (opening.value && !opening.value.problem) await openingDone;
}

/** Opens a conversation at its end. A failure is stored in `opening`. */
export function openConversation(id: string): Promise<void> {
  openingDone = open(id);
  return openingDone;
}

async function open(id: string): Promise<void> {
  generation += 1;
  const started = generation;
  if (conversation.value?.id !== id) reset(null, null);
  opening.value = { id };
  try {
    const snapshot = await transport.call('conversations.get', {
      params: { conversationId: id },
      query: { limit: pageSize },
    });
    if (started !== generation) return;
    const { head, lastSeq, page } = snapshot;
    const { title, projectId } = snapshot.conversation;
    const aside = snapshot.aside ?? undefined;
    const loaded = addTurns({ ...emptyConversation(id), head, lastSeq, title, projectId, aside }, page.turns);
    batch(() => {
      reset(loaded, snapshot.conversation);
      remember(page.turns);
      opening.value = null;
      jumps.value += 1;
    });
    subscribe(id, lastSeq);
  } catch (error) {
    if (started === generation) opening.value = { id, problem: problemOf(error) };
  }
}

function subscribe(id: string, after: number): void {
  subscribedAt = performance.now();
  transport.subscribe(id, after);
}

/** Loads the conversation again after events were missed. */
async function resync(): Promise<void> {
  const id = conversation.value?.id;
  if (id !== undefined && opening.value === null) await openConversation(id);
}

/** Continues after the connection was lost: from the last received event, or by opening again what failed. */
export function reconnect(): void {
  const state = conversation.value;
  if (opening.value?.problem) void openConversation(opening.value.id);
  else if (state && summary.value && !opening.value) subscribe(state.id, state.lastSeq);
}

function reset(state: ConversationState | null, newSummary: ConversationSummary | null): void {
  clearTimeout(timer);
  timer = undefined;
  queued = [];
  parents = new Map();
  batch(() => {
    conversation.value = state;
    summary.value = newSummary;
    windowEnd.value = null;
    loadingOlder.value = false;
  });
}

/** Receives events and folds them in batches. The first one after a pause is folded at once. */
export function receiveEvents(conversationId: string, events: readonly ReceivedEvent[]): void {
  if (conversation.value?.id !== conversationId) return;
  queued.push(...events);
  if (document.hidden) foldQueued();
  else timer ??= setTimeout(foldQueued, Math.max(0, lastFold + foldIntervalMs - performance.now()));
}

function foldQueued(): void {
  clearTimeout(timer);
  timer = undefined;
  lastFold = performance.now();
  const before = conversation.value;
  const events = queued;
  queued = [];
  if (!before || events.length === 0) return;
  let state = before;
  for (const event of events) {
    if (event.seq > state.lastSeq + 1) {
      if (performance.now() < subscribedAt + strayMs) continue;
      void resync();
      return;
    }
    state = applyEvent(state, event);
    if (event.type === 'turn.created' && 'turnId' in event && 'parent' in event) {
      parents.set(String(event.turnId), event.parent === null ? null : String(event.parent));
    }
  }
  if (state.head !== null && state.head !== before.head && !state.turns[state.head]) {
    // The head is on another branch, which is not loaded.
    void resync();
    return;
  }
  batch(() => {
    conversation.value = windowEnd.value === null && state.head !== before.head ? trimmed(state, 'older') : state;
    const end = windowEnd.value;
    if (end !== null && !pathToHead(state).includes(end)) windowEnd.value = null;
  });
  announceTurns(before, state);
}

/** Returns the ids of the shown branch as far as they are known, oldest first. */
function pathToHead(state: ConversationState): string[] {
  const ids: string[] = [];
  let id = state.head;
  while (id !== null) {
    ids.push(id);
    id = parents.get(id) ?? null;
  }
  return ids.reverse();
}

function remember(records: readonly TurnRecord[]): void {
  for (const { turnId } of records) {
    const turn = conversation.value?.turns[turnId];
    if (turn) parents.set(turnId, turn.parent);
  }
}

/** Keeps at most `limits.pageTurns` shown turns, dropping those at the far end. Open turns are kept. */
function trimmed(state: ConversationState, far: 'older' | 'newer'): ConversationState {
  const { turns } = shownPath(state, windowEnd.value ?? state.head);
  const kept = new Set(
    (far === 'older' ? turns.slice(-limits.pageTurns) : turns.slice(0, limits.pageTurns)).map((turn) => turn.id),
  );
  const dropped = Object.values(state.turns).filter((turn) => !kept.has(turn.id) && !isTurnOpen(turn));
  return dropTurns(state, new Set(dropped.map((turn) => turn.id)));
}

/** Loads the turns before the first shown one, and drops the newest if there are too many. */
export async function loadOlder(): Promise<void> {
  const at = olderTurn.value;
  if (at === null || loadingOlder.value) return;
  loadingOlder.value = true;
  try {
    const state = await loadTurns(at);
    if (!state) return;
    const { turns } = shownPath(state, windowEnd.value ?? state.head);
    const last = turns[limits.pageTurns - 1];
    batch(() => {
      if (last && turns.length > limits.pageTurns) windowEnd.value = last.id;
      conversation.value = trimmed(state, 'newer');
    });
  } finally {
    loadingOlder.value = false;
  }
}

let loadingNewer = false;

/** Loads the turns after the last shown one, and drops the oldest if there are too many. */
export async function loadNewer(): Promise<void> {
  const current = conversation.value;
  const end = windowEnd.value;
  if (!current || end === null || loadingNewer) return;
  const ids = pathToHead(current);
  const next = ids[Math.min(ids.indexOf(end) + pageSize, ids.length - 1)];
  if (next === undefined) return;
  loadingNewer = true;
  try {
    const state = current.turns[next] ? current : await loadTurns(next);
    if (!state) return;
    batch(() => {
      windowEnd.value = next === state.head ? null : next;
      conversation.value = trimmed(state, 'older');
    });
  } finally {
    loadingNewer = false;
  }
}

/** Loads a turn and its ancestors into the current state. Returns null if another conversation was opened meanwhile. */
async function loadTurns(at: string): Promise<ConversationState | null> {
  const started = generation;
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) return null;
  const page = await transport.call('turns.list', { params: { conversationId }, query: { at, limit: pageSize } });
  const state = conversation.value;
  if (started !== generation || state?.id !== conversationId) return null;
  // Live events update a turn that has not ended: a loaded page must not replace it.
  const missing = page.turns.filter(({ turnId }) => !state.turns[turnId]);
  const next = addTurns(state, missing);
  for (const { turnId } of page.turns) {
    const turn = next.turns[turnId];
    if (turn) parents.set(turnId, turn.parent);
  }
  return next;
}

/** Shows the newest turn, wherever the window is. */
export function jumpToLatest(): void {
  if (windowEnd.value !== null) void resync();
  else jumps.value += 1;
}
