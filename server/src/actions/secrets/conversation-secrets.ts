import { Secrets } from './secrets.ts';

/** Maximum number of conversations whose credentials are kept in memory. The least recently used are dropped first. */
const maxConversations = 300;
/** Maximum number of conversations whose origin, the conversation that they were first copied from, is cached. */
const maxOrigins = 10_000;
/** Maximum length of a chain of copies that is followed back. A conversation beyond it counts as the original. */
const maxCopyDepth = 100;

/** Options of `ConversationSecrets`. */
export interface ConversationSecretsOptions {
  /** Returns the key of a conversation: 32 bytes, always the same for the same id. */
  readonly keyOf: (id: string) => Uint8Array;
  /** Returns the id of the conversation that the given one was copied from, or null if it is not a copy. */
  readonly copiedFrom?: (conversationId: string) => Promise<string | null>;
}

/**
 * The credentials of each conversation. A placeholder is valid only in its own conversation and in copies of that
 * conversation, which have the same text.
 */
export class ConversationSecrets {
  readonly #options: ConversationSecretsOptions;
  readonly #secrets = new Map<string, Secrets>();
  readonly #origins = new Map<string, string>();
  /** Credentials in text that belongs to no conversation. */
  readonly #unscoped: Secrets;

  constructor(options: ConversationSecretsOptions) {
    this.#options = options;
    this.#unscoped = new Secrets(options.keyOf(''));
  }

  /**
   * Returns the credentials of a conversation, shared with the conversations that it was copied from.
   *
   * @param id of a conversation; any other id that defines who may resolve a placeholder works as well
   * @throws what `copiedFrom` throws
   */
  async of(id: string): Promise<Secrets> {
    const origin = await this.#originOf(id);
    const secrets = this.#secrets.get(origin) ?? new Secrets(this.#options.keyOf(origin));
    this.#secrets.delete(origin);
    this.#secrets.set(origin, secrets);
    dropOldest(this.#secrets, maxConversations);
    return secrets;
  }

  /** Returns a text that belongs to no conversation, such as a log line, with all known credentials hidden. */
  hideAll(text: string): string {
    let hidden = this.#unscoped.hide(text);
    for (const secrets of this.#secrets.values()) hidden = secrets.hideKnown(hidden);
    return hidden;
  }

  async #originOf(id: string): Promise<string> {
    const known = this.#origins.get(id);
    if (known !== undefined) return known;
    let origin = id;
    for (let copies = 0; copies < maxCopyDepth; copies++) {
      const parent = (await this.#options.copiedFrom?.(origin)) ?? null;
      if (parent === null) break;
      origin = parent;
    }
    this.#origins.set(id, origin);
    dropOldest(this.#origins, maxOrigins);
    return origin;
  }
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
