import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { newConversation } from './actions.ts';
import { attempt, projectId, screen, showToast } from './app.ts';
import { conversation } from './conversation.ts';

/** Number of rows that are loaded at a time. */
const pageRows = 50;
/** Maximum number of rows that are kept. */
const maxRows = 500;
/** Pause in typing after which the search runs, in milliseconds. */
const searchDelayMs = 180;

/** The loaded rows of the list, newest first. */
export const rows = signal<readonly ConversationSummary[]>([]);
/** The text of the search field. */
export const search = signal('');
/** Whether only conversations of this window's project are listed. */
export const onlyProject = signal(false);
/** State of the list. `more` means that further rows can be loaded. */
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
  timer = setTimeout(() => void reload(), searchDelayMs);
}

/** Loads the list from its start. */
export async function reload(): Promise<void> {
  cursor = null;
  await read([]);
}

/** Loads further rows. */
export async function readMore(): Promise<void> {
  if (listing.value.state === 'loading' || !listing.value.more) return;
  await read(rows.value);
}

async function read(loaded: readonly ConversationSummary[]): Promise<void> {
  generation += 1;
  const started = generation;
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
    if (started !== generation) return;
    cursor = answer.next;
    const loadedIds = new Set(loaded.map((row) => row.id));
    rows.value = [...loaded, ...answer.items.filter((row) => !loadedIds.has(row.id))].slice(0, maxRows);
    listing.value = { state: 'ready', more: answer.next !== null && rows.value.length < maxRows };
  } catch (error) {
    if (started === generation) listing.value = { state: 'failed', more: false, problem: problemOf(error).detail };
  }
}

/** Updates the list when a conversation changes, here or in another window. */
export function applyChange(changed: ConversationSummary): void {
  const otherRows = rows.value.filter((row) => row.id !== changed.id);
  if (changed.deletedAt !== null) rows.value = otherRows;
  else if (otherRows.length < rows.value.length) {
    const old = rows.value.find((row) => row.id === changed.id);
    rows.value = rows.value.map((row) => (row.id === changed.id ? { ...changed, snippet: old?.snippet } : row));
  } else if (search.value === '' && (!onlyProject.value || changed.projectId === projectId.value)) {
    rows.value = [changed, ...otherRows];
  }
}

/** Renames a conversation. */
export async function rename(row: ConversationSummary, title: string): Promise<void> {
  const name = title.trim();
  if (name === '' || name === row.title) return;
  await attempt(async () => {
    applyChange(
      await transport.call('conversations.rename', { params: { conversationId: row.id }, body: { title: name } }),
    );
  });
}

/** Deletes a conversation and offers to undo that. */
export async function remove(row: ConversationSummary): Promise<void> {
  const params = { conversationId: row.id };
  await attempt(async () => {
    await transport.call('conversations.delete', { params });
    rows.value = rows.value.filter((entry) => entry.id !== row.id);
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

/** Shows an empty conversation behind the history, after the current one was deleted. */
function newConversationQuietly(): void {
  newConversation();
  screen.value = 'history';
}
