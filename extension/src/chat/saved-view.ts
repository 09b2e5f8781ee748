import { type Draft, SavedView } from '@devlm/protocol/page.ts';
import type { Memento } from '../ports.ts';

/**
 * Maximum stored size in UTF-16 code units: VS Code warns about extension state above 512 KB. Larger attachments last
 * as long as the window.
 */
const maxStoredChars = 200_000;
/** Maximum number of drafts, the newest last, so that they do not accumulate. */
const maxDrafts = 30;

/** The state of the page, including drafts, which survives reloads of the page and of the window. */
export class ViewStore {
  readonly #memento: Memento;
  readonly #key: string;
  #view: SavedView;

  /** @param account key of an account on a remote server, which has its own chats */
  constructor(memento: Memento, defaults: Pick<SavedView, 'model' | 'thinking'>, account = '') {
    this.#memento = memento;
    this.#key = `view${account}`;
    const stored = SavedView.safeParse(memento.get(this.#key));
    this.#view = stored.success ? stored.data : { conversationId: null, drafts: {}, ...defaults };
  }

  get view(): SavedView {
    return this.#view;
  }

  async save(view: SavedView): Promise<void> {
    const drafts = Object.entries(view.drafts)
      .filter(([, draft]) => draft.text !== '' || draft.attachments.length > 0)
      .slice(-maxDrafts);
    this.#view = { ...view, drafts: Object.fromEntries(drafts) };
    await this.#memento.update(this.#key, trimmed(this.#view));
  }
}

/**
 * Returns the view with the drafts that fit, the newest first. A draft that is too large is kept without its
 * attachments.
 */
function trimmed(view: SavedView): SavedView {
  let remainingChars = maxStoredChars;
  const kept: [string, Draft][] = [];
  for (const [id, draft] of Object.entries(view.drafts).reverse()) {
    for (const candidate of [draft, { ...draft, attachments: [] }]) {
      const size = JSON.stringify(candidate).length;
      if (size > remainingChars || (candidate.text === '' && candidate.attachments.length === 0)) continue;
      remainingChars -= size;
      kept.unshift([id, candidate]);
      break;
    }
  }
  return { ...view, drafts: Object.fromEntries(kept) };
}
