import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { newConversation } from './actions.ts';
import { attempt, projectId, screen, showToast } from './app.ts';
import { conversation } from './conversation.ts';

/** Rows read at once, and most rows kept. */
const pageRows = 50;
const mostRows = 500;
/** Pause in typing after which the search runs. */
const searchMs = 180;

export const rows = signal<readonly ConversationSummary[]>([]);
export const search = signal('');
/** Only conversations of this window's project. */
export const onlyProject = signal(false);
/** `more`: further rows can be read. */
export const listing = signal<{
  readonly state: 'loading' | 'ready' | 'failed';
  readonly more: boolean;
  readonly problem?: string;
}>({
  state: 'ready',
  more: false,
});

let cursor: string | null = null;
let generation = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Searches after a pause in typing. */
export function setSearch(text: string): void {
  search.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => void reload(), searchMs);
}

/** Reads the list from its start. */
export async function reload(): Promise<void> {
  cursor = null;
  await read([]);
}

/** Reads further rows. */
export async function readMore(): Promise<void> {
  if (listing.value.state === 'loading' || !listing.value.more) return;
  await read(rows.value);
}

async function read(present: readonly ConversationSummary[]): Promise<void> {
  generation += 1;
  const mine = generation;
  listing.value = { ...listing.value, state: 'loading' };
  const words = search.value.trim();
  try {
    const answer = await transport.call('conversations.list', {
      query: {
        limit: pageRows,
        search: words === '' ? undefined : words,
        projectId: onlyProject.value ? (projectId.value ?? undefined) : undefined,
        cursor: cursor ?? undefined,
      },
    });
    if (mine !== generation) return;
    cursor = answer.next;
    const known = new Set(present.map((row) => row.id));
    rows.value = [...present, ...answer.items.filter((row) => !known.has(row.id))].slice(0, mostRows);
    listing.value = { state: 'ready', more: answer.next !== null && rows.value.length < mostRows };
  } catch (error) {
    if (mine === generation) listing.value = { state: 'failed', more: false, problem: problemOf(error).detail };
  }
}

/** Keeps the list true when a conversation changes, here or in another window. */
export function applyChange(changed: ConversationSummary): void {
  const others = rows.value.filter((row) => row.id !== changed.id);
  if (changed.deletedAt !== null) rows.value = others;
  else if (others.length < rows.value.length) {
    const old = rows.value.find((row) => row.id === changed.id);
    rows.value = rows.value.map((row) => (row.id === changed.id ? { ...changed, snippet: old?.snippet } : row));
  } else if (search.value === '' && (!onlyProject.value || changed.projectId === projectId.value)) {
    rows.value = [changed, ...others];
  }
}

/** Gives a conversation another title. */
export async function rename(row: ConversationSummary, title: string): Promise<void> {
  const name = title.trim();
  if (name === '' || name === row.title) return;
  await attempt(async () => {
    applyChange(
      await transport.call('conversations.rename', { params: { conversationId: row.id }, body: { title: name } }),
    );
  });
}

/** Deletes a conversation and offers to undo it. */
export async function remove(row: ConversationSummary): Promise<void> {
  const params = { conversationId: row.id };
  await attempt(async () => {
    await transport.call('conversations.delete', { params });
    rows.value = rows.value.filter((other) => other.id !== row.id);
    const wasOpen = conversation.value?.id === row.id;
    if (wasOpen) newConversationQuietly();
    showToast(t('Deleted "{0}".', row.title || t('New chat')), {
      label: t('Undo'),
      run: () =>
        void attempt(async () => {
          await transport.call('conversations.restore', { params });
          await reload();
        }),
    });
  });
}

/** The open conversation was deleted: the page shows an empty one, behind the history. */
function newConversationQuietly(): void {
  newConversation();
  screen.value = 'history';
}
