/** A prompt cache lives so long after its last use: platform.claude.com/docs/en/build-with-claude/prompt-caching */
const cacheMs = 5 * 60_000;
const maxKept = 10_000;

/** Remembers which instance holds the prompt cache of a conversation. */
export class Affinity {
  readonly #kept = new Map<string, { readonly instanceId: string; readonly until: number }>();

  /** Null: none, or not any more. */
  of(conversation: string | undefined, now: number): string | null {
    if (conversation === undefined) return null;
    const kept = this.#kept.get(conversation);
    return kept && now < kept.until ? kept.instanceId : null;
  }

  keep(conversation: string | undefined, instanceId: string, now: number): void {
    if (conversation === undefined) return;
    // Last in, so that the first is the one that was used longest ago.
    this.#kept.delete(conversation);
    this.#kept.set(conversation, { instanceId, until: now + cacheMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxKept && oldest !== undefined) this.#kept.delete(oldest);
  }
}
