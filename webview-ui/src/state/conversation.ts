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
 * The open conversation: folded with the reducer that the server uses, a window of its turns in
 * memory. The window ends at the head, or at `windowEnd` when the person has scrolled far up.
 */

/** Shortest time from one painting of new text to the next: 15 a second read as smoothly as 60 and cost a quarter. */
const foldMs = 80;
/** Events of the subscription before may still come for so long after a new one; they will come again. */
const strayMs = 3_000;
/** Turns that are loaded at once, at the start and when scrolling. */
const pageSize = 20;

export const conversation = signal<ConversationState | null>(null);
export const summary = signal<ConversationSummary | null>(null);
/** The last turn shown, when it is not the newest. */
export const windowEnd = signal<string | null>(null);
/** The conversation that is being opened, or that could not be. */
export const opening = signal<{ readonly id: string; readonly problem?: Problem } | null>(null);
export const loadingOlder = signal(false);
/** Grows whenever the transcript should show its end. */
export const jumps = signal(0);

/** Parents of every turn seen in this conversation: the way back from the head, without the turns themselves. */
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
export const shownTurns = computed<readonly TurnState[]>(() => path.value.turns);
export const olderTurn = computed(() => path.value.older);

export const openTurns = computed<readonly TurnState[]>(() =>
  Object.values(conversation.value?.turns ?? {}).filter(isOpen),
);
export const openCount = computed(() => openTurns.value.length);
export const runningTurn = computed(() => openTurns.value.find((turn) => turn.status === 'running')?.id ?? null);

function isOpen(turn: TurnState): boolean {
  return turn.status === 'queued' || turn.status === 'running';
}

/** Leaves the open conversation for a new one that has no id yet. */
export function closeConversation(): void {
  generation += 1;
  reset(null, null);
  opening.value = null;
  transport.subscribe(null, 0);
}

/** Shows a conversation that the server is still to make: it has no summary until then. */
export function beginConversation(id: string): void {
  generation += 1;
  reset(emptyConversation(id), null);
  opening.value = null;
}

/** The server has made the conversation begun here. */
export function conversationBegun(created: ConversationSummary): void {
  if (conversation.value?.id !== created.id || summary.value !== null) return;
  summary.value = created;
  subscribe(created.id, conversation.value.lastSeq);
}

let opened: Promise<void> = Promise.resolve();

/** Resolves when nothing is being opened any more, well or not. */
export async function whenOpened(): Promise<void> {
  while (opening.value && !opening.value.problem) await opened;
}

/** Shows a conversation from its end. What went wrong is left in `opening`. */
export function openConversation(id: string): Promise<void> {
  opened = open(id);
  return opened;
}

async function open(id: string): Promise<void> {
  generation += 1;
  const mine = generation;
  if (conversation.value?.id !== id) reset(null, null);
  opening.value = { id };
  try {
    const snapshot = await transport.call('conversations.get', {
      params: { conversationId: id },
      query: { limit: pageSize },
    });
    if (mine !== generation) return;
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
    if (mine === generation) opening.value = { id, problem: problemOf(error) };
  }
}

function subscribe(id: string, after: number): void {
  subscribedAt = performance.now();
  transport.subscribe(id, after);
}

/** Gets everything anew after events were missed. */
async function resync(): Promise<void> {
  const id = conversation.value?.id;
  if (id !== undefined && opening.value === null) await openConversation(id);
}

/** After the way to the server was cut: goes on from the last event seen, or tries again what failed. */
export function reconnect(): void {
  const state = conversation.value;
  if (opening.value?.problem) void openConversation(opening.value.id);
  else if (state && summary.value && !opening.value) subscribe(state.id, state.lastSeq);
}

function reset(state: ConversationState | null, about: ConversationSummary | null): void {
  clearTimeout(timer);
  timer = undefined;
  queued = [];
  parents = new Map();
  batch(() => {
    conversation.value = state;
    summary.value = about;
    windowEnd.value = null;
    loadingOlder.value = false;
  });
}

/** Takes events as they come and folds them together, the first of a pause at once. */
export function receiveEvents(conversationId: string, events: readonly ReceivedEvent[]): void {
  if (conversation.value?.id !== conversationId) return;
  queued.push(...events);
  if (document.hidden) foldQueued();
  else timer ??= setTimeout(foldQueued, Math.max(0, lastFold + foldMs - performance.now()));
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
    // Another branch, of which nothing is loaded.
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

/** The ids of the shown branch as far as they are known, oldest first. */
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

/** Keeps at most `limits.pageTurns` of the shown turns, dropping at the far end. Open turns stay. */
function trimmed(state: ConversationState, far: 'older' | 'newer'): ConversationState {
  const { turns } = shownPath(state, windowEnd.value ?? state.head);
  const kept = new Set(
    (far === 'older' ? turns.slice(-limits.pageTurns) : turns.slice(0, limits.pageTurns)).map((turn) => turn.id),
  );
  const dropped = Object.values(state.turns).filter((turn) => !kept.has(turn.id) && !isOpen(turn));
  return dropTurns(state, new Set(dropped.map((turn) => turn.id)));
}

/** Loads the turns before the first one shown, and lets go of the newest ones when there are too many. */
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

/** Loads the turns behind the last one shown, and lets go of the oldest ones when there are too many. */
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

/** A turn and its ancestors, added to the state as it is when they arrive; null when it is another by then. */
async function loadTurns(at: string): Promise<ConversationState | null> {
  const mine = generation;
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) return null;
  const page = await transport.call('turns.list', { params: { conversationId }, query: { at, limit: pageSize } });
  const state = conversation.value;
  if (mine !== generation || state?.id !== conversationId) return null;
  // A turn that has not ended is kept by its live events; a page must not take their place.
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
