import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { Draft, FilesAnswer, SavedView } from '@devlm/protocol/page.ts';
import { signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { transport } from '../transport.ts';
import { pickedModel, showToast, thinking } from './app.ts';
import { conversation, opening } from './conversation.ts';
import { unsent } from './outbox.ts';

/** Time after the last change until the draft is saved, in milliseconds. */
const saveDelayMs = 500;
/** Maximum number of saved drafts. */
const maxDrafts = 20;
/** Maximum total length of the attachments in all saved drafts, in UTF-16 code units. */
const maxSavedChars = 2_000_000;

const emptyDraft: Draft = { text: '', attachments: [] };

/** The current draft in the composer. */
export const draft = signal<Draft>(emptyDraft);

let drafts: Record<string, Draft> = {};
let key = 'new';
let timer: ReturnType<typeof setTimeout> | undefined;

/** Restores the state that was saved before the page was reloaded. */
export function restoreView(view: SavedView): void {
  drafts = { ...view.drafts };
  key = view.conversationId ?? 'new';
  draft.value = drafts[key] ?? emptyDraft;
  pickedModel.value = view.model;
  thinking.value = view.thinking;
}

/** Changes the draft and saves it soon. */
export function setDraft(change: Partial<Draft>): void {
  draft.value = { ...draft.value, ...change };
  saveSoon();
}

/** Shows the draft of a conversation. Null means the one that has not begun. */
export function switchDraft(conversationId: string | null): void {
  storeDraft();
  key = conversationId ?? 'new';
  draft.value = drafts[key] ?? emptyDraft;
  saveSoon();
}

/** Detaches the current draft from its conversation. */
export function detachDraft(): void {
  delete drafts[key];
  key = 'new';
}

/** Clears the draft after it was sent, in a conversation that may just have received its id. */
export function clearDraft(conversationId: string): void {
  delete drafts[key];
  key = conversationId;
  delete drafts[key];
  draft.value = emptyDraft;
  saveSoon();
}

function storeDraft(): void {
  delete drafts[key];
  if (draft.value.text !== '' || draft.value.attachments.length > 0) drafts[key] = draft.value;
}

/** Saves the view after a pause in typing. */
export function saveSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(saveNow, saveDelayMs);
}

/** Saves the view at once, if anything is waiting to be saved. */
export function flushView(): void {
  if (timer !== undefined) saveNow();
}

function saveNow(): void {
  clearTimeout(timer);
  timer = undefined;
  storeDraft();
  let remainingChars = maxSavedChars;
  const saved: [string, Draft][] = [];
  for (const [id, entry] of Object.entries(drafts).reverse().slice(0, maxDrafts)) {
    const attachments = entry.attachments.filter((attachment) => {
      const doesFit = attachmentChars(attachment) <= remainingChars;
      if (doesFit) remainingChars -= attachmentChars(attachment);
      return doesFit;
    });
    saved.unshift([id, { text: entry.text, attachments }]);
  }
  const conversationId = conversation.value?.id ?? opening.value?.id ?? null;
  const view: SavedView = {
    conversationId,
    drafts: Object.fromEntries(saved),
    outbox: unsent(),
    model: pickedModel.value,
    thinking: thinking.value,
  };
  // A failure to save cannot be handled here, and the user did not request it.
  transport.editor({ action: 'saveView', view }).catch(() => undefined);
}

function attachmentChars(attachment: NewAttachment): number {
  return attachment.kind === 'image' ? attachment.data.length : attachment.text.length;
}

/** Adds files to the draft, and shows what could not be added. */
export function attach(files: FilesAnswer): void {
  // Replace earlier snapshots of the same source by the new ones.
  const current = draft.value.attachments.filter(
    (existing) => !files.attachments.some((file) => snapshotKinds.has(file.kind) && sameFile(file, existing)),
  );
  const fresh = files.attachments.filter((file) => !current.some((existing) => sameFile(file, existing)));
  const remaining = Math.max(0, limits.attachments - current.length);
  const problems = [...files.problems];
  if (fresh.length > remaining) problems.push(t('A message can have at most {0} attachments.', limits.attachments));
  if (fresh.length > 0) setDraft({ attachments: [...current, ...fresh.slice(0, remaining)] });
  if (problems.length > 0) showToast(problems.join(' '), undefined, 'error');
}

/** Kinds of attachments that are snapshots of something that changes. */
const snapshotKinds: ReadonlySet<NewAttachment['kind']> = new Set(['folder', 'problems', 'terminal', 'git', 'url']);

function sameFile(a: NewAttachment, b: NewAttachment): boolean {
  if (a.kind === 'image' || b.kind === 'image') return false;
  return a.kind === b.kind && a.path === b.path && a.startLine === b.startLine && a.endLine === b.endLine;
}

/** Removes an attachment from the draft. */
export function removeAttachment(attachment: NewAttachment): void {
  setDraft({ attachments: draft.value.attachments.filter((entry) => entry !== attachment) });
}
