import { Secrets } from './secrets.ts';

/** Conversations whose credentials are kept in memory; those not used for longest are forgotten. */
const mostConversations = 300;
/** Conversations of which it is remembered what they are a copy of. */
const mostOrigins = 10_000;
/** Copies of copies beyond which a conversation counts as the first. */
const mostCopies = 100;

export interface ConversationSecretsOptions {
  /** The same 32 bytes for an id at any time. */
  readonly keyOf: (id: string) => Uint8Array;
  /** The conversation that one was copied from; null: none. */
  readonly copiedFrom?: (conversationId: string) => Promise<string | null>;
}

/**
 * The credentials of each conversation. A placeholder of one means nothing in another, but in its copies: they
 * have its text.
 */
export class ConversationSecrets {
  readonly #options: ConversationSecretsOptions;
  readonly #secrets = new Map<string, Secrets>();
  readonly #origins = new Map<string, string>();
  /** For what belongs to no conversation. */
  readonly #others: Secrets;

  constructor(options: ConversationSecretsOptions) {
    this.#options = options;
    this.#others = new Secrets(options.keyOf(''));
  }

  /**
   * @param id of a conversation; anything else that names who may resolve a placeholder serves as well
   * @throws what `copiedFrom` throws
   */
  async of(id: string): Promise<Secrets> {
    const origin = await this.#originOf(id);
    const secrets = this.#secrets.get(origin) ?? new Secrets(this.#options.keyOf(origin));
    this.#secrets.delete(origin);
    this.#secrets.set(origin, secrets);
    dropOldest(this.#secrets, mostConversations);
    return secrets;
  }

  /** A text that belongs to no conversation, such as a line of the log, without the credentials of any. */
  hideAll(text: string): string {
    let hidden = this.#others.hide(text);
    for (const secrets of this.#secrets.values()) hidden = secrets.hideKnown(hidden);
    return hidden;
  }

  async #originOf(id: string): Promise<string> {
    const known = this.#origins.get(id);
    if (known !== undefined) return known;
    let origin = id;
    for (let copies = 0; copies < mostCopies; copies++) {
      const before = (await this.#options.copiedFrom?.(origin)) ?? null;
      if (before === null) break;
      origin = before;
    }
    this.#origins.set(id, origin);
    dropOldest(this.#origins, mostOrigins);
    return origin;
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
