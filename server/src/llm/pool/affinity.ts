import { LRUCache } from 'lru-cache';
import { promptCacheTtlMs } from '../prompt-cache.ts';

/** Maximum number of conversations that are remembered. */
const maxConversations = 10_000;

/** Remembers which instance holds the prompt cache of a conversation, for as long as the cache lives. */
export class Affinity {
  readonly #holders = new LRUCache<string, { readonly instanceId: string; readonly until: number }>({
    max: maxConversations,
  });

  /** Returns the id of the instance that holds the conversation's cache, or null if none is known. */
  of(conversation: string | undefined, now: number): string | null {
    if (conversation === undefined) return null;
    const holder = this.#holders.get(conversation);
    return holder && now < holder.until ? holder.instanceId : null;
  }

  /** Records that the conversation's prompt was sent to an instance. */
  keep(conversation: string | undefined, instanceId: string, now: number): void {
    if (conversation === undefined) return;
    this.#holders.set(conversation, { instanceId, until: now + promptCacheTtlMs });
  }
}
