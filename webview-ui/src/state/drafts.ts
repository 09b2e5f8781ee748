import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { Draft, FilesAnswer, SavedView } from '@devlm/protocol/page.ts';
import { signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { transport } from '../transport.ts';
import { pickedModel, showToast, thinking } from './app.ts';
import { conversation, opening } from './conversation.ts';
import { unsent } from './outbox.ts';

/** How long after the last key press the draft is saved. */
const saveMs = 500;
/** Most drafts kept, and most characters of attachments in all of them together. */
const mostDrafts = 20;
const mostSavedChars = 2_000_000;

const nothing: Draft = { text: '', attachments: [] };

/** What is written in the composer now. */
export const draft = signal<Draft>(nothing);

let drafts: Record<string, Draft> = {};
let key = 'new';
let timer: ReturnType<typeof setTimeout> | undefined;

/** Takes over what was saved before the page was reloaded. */
export function restoreView(view: SavedView): void {
  drafts = { ...view.drafts };
  key = view.conversationId ?? 'new';
  draft.value = drafts[key] ?? nothing;
  pickedModel.value = view.model;
  thinking.value = view.thinking;
}

/** Changes the draft and saves it soon. */
export function setDraft(change: Partial<Draft>): void {
  draft.value = { ...draft.value, ...change };
  saveSoon();
}

/** Shows the draft that belongs to a conversation; null is the one not yet begun. */
export function switchDraft(conversationId: string | null): void {
  keep();
  key = conversationId ?? 'new';
  draft.value = drafts[key] ?? nothing;
  saveSoon();
}

/** What is being written belongs to no conversation any more. */
export function freeDraft(): void {
  delete drafts[key];
  key = 'new';
}

/** The draft was sent, in a conversation that may just have got its id. */
export function clearDraft(conversationId: string): void {
  delete drafts[key];
  key = conversationId;
  delete drafts[key];
  draft.value = nothing;
  saveSoon();
}

function keep(): void {
  delete drafts[key];
  if (draft.value.text !== '' || draft.value.attachments.length > 0) drafts[key] = draft.value;
}

/** Saves the view after a pause in typing. */
export function saveSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(saveNow, saveMs);
}

/** Saves the view at once, if anything is waiting to be saved. */
export function flushView(): void {
  if (timer !== undefined) saveNow();
}

function saveNow(): void {
  clearTimeout(timer);
  timer = undefined;
  keep();
  let room = mostSavedChars;
  const saved: [string, Draft][] = [];
  for (const [id, entry] of Object.entries(drafts).reverse().slice(0, mostDrafts)) {
    const attachments = entry.attachments.filter((attachment) => {
      const fits = size(attachment) <= room;
      if (fits) room -= size(attachment);
      return fits;
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
  // Nothing can be done when saving fails, and the person did not ask for it.
  transport.editor({ action: 'saveView', view }).catch(() => undefined);
}

function size(attachment: NewAttachment): number {
  return attachment.kind === 'image' ? attachment.data.length : attachment.text.length;
}

/** Adds files to the draft; says what could not be added. */
export function attach(files: FilesAnswer): void {
  // What was true a moment ago gives way to what is true now.
  const present = draft.value.attachments.filter(
    (old) => !files.attachments.some((file) => momentary.has(file.kind) && sameFile(file, old)),
  );
  const fresh = files.attachments.filter((file) => !present.some((other) => sameFile(file, other)));
  const room = Math.max(0, limits.attachments - present.length);
  const problems = [...files.problems];
  if (fresh.length > room) problems.push(t('At most {0} attachments fit on one message.', limits.attachments));
  if (fresh.length > 0) setDraft({ attachments: [...present, ...fresh.slice(0, room)] });
  if (problems.length > 0) showToast(problems.join(' '), undefined, 'error');
}

const momentary: ReadonlySet<NewAttachment['kind']> = new Set(['folder', 'problems', 'terminal', 'git', 'url']);

function sameFile(a: NewAttachment, b: NewAttachment): boolean {
  if (a.kind === 'image' || b.kind === 'image') return false;
  return a.kind === b.kind && a.path === b.path && a.startLine === b.startLine && a.endLine === b.endLine;
}

/** Takes an attachment out of the draft again. */
export function detach(attachment: NewAttachment): void {
  setDraft({ attachments: draft.value.attachments.filter((other) => other !== attachment) });
}
