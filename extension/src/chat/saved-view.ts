import { type Draft, SavedView } from '@devlm/protocol/page.ts';

/** The part of `vscode.Memento` that is used. */
export interface Memento {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

/** VS Code warns about extension state above 512 KB; attachments that do not fit live as long as the window. */
const storedChars = 200_000;
/** Drafts kept besides, newest last, so that a long life does not add them up. */
const maxDrafts = 30;

/** What the page shows and what is typed in it, kept over reloads of the page and of the window. */
export class ViewStore {
  readonly #memento: Memento;
  readonly #key: string;
  #view: SavedView;

  /** @param account on a server that others run: each has chats of its own */
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

/** What fits the store: of the newest drafts first, whole, or else their text alone. */
function trimmed(view: SavedView): SavedView {
  let left = storedChars;
  const kept: [string, Draft][] = [];
  for (const [id, draft] of Object.entries(view.drafts).reverse()) {
    for (const form of [draft, { ...draft, attachments: [] }]) {
      const size = JSON.stringify(form).length;
      if (size > left || (form.text === '' && form.attachments.length === 0)) continue;
      left -= size;
      kept.unshift([id, form]);
      break;
    }
  }
  return { ...view, drafts: Object.fromEntries(kept) };
}
