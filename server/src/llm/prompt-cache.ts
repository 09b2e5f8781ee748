import { createHash } from 'node:crypto';
import type { Usage } from '@devlm/protocol/events.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import type { ModelContent, ModelRequest } from './model.ts';

/*
 * Whether the provider's prompt cache holds. Its order is tools, system prompt, messages; one byte changed makes all
 * behind it new: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */

/** The provider forgets what nobody has asked for again in this time. */
const keptMs = 5 * 60_000;
/** Not every model caches shorter prompts. */
const leastTokens = 4_096;
/** A cache that holds gives back nearly all of the prompt before; below this share it has broken. */
const heldShare = 0.5;
/** Conversations that are watched at one time. */
const maxConversations = 1_000;

interface Prompt {
  readonly path: readonly string[];
  readonly model: string;
  /** Name to hash. */
  readonly tools: ReadonlyMap<string, string>;
  readonly system: string;
  readonly pieces: readonly { readonly thinking: boolean; readonly hash: string }[];
  readonly begun: number;
}

/** Remembers the last prompt of each conversation, and says when and why the provider had to read it anew. */
export class PromptCacheWatch {
  readonly #last = new Map<string, Prompt & { readonly tokens: number }>();

  /**
   * To be called when a step begins; the answer when it has ended, with what the provider counted.
   *
   * @param path names what the prompt continues: another branch or a summed-up beginning is no break
   */
  begin(
    conversationId: string,
    path: readonly string[],
    request: ModelRequest,
    now = performance.now(),
  ): (usage: Usage) => CacheBreak | null {
    return (usage) => {
      // Not before: the call does not wait for it.
      const prompt = promptOf(path, request, now);
      const before = this.#last.get(conversationId);
      const tokens = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
      this.#last.delete(conversationId);
      this.#last.set(conversationId, { ...prompt, tokens });
      for (const oldest of this.#last.keys()) {
        if (this.#last.size <= maxConversations) break;
        this.#last.delete(oldest);
      }
      if (!before || before.tokens < leastTokens || before.path.some((name, at) => path[at] !== name)) return null;
      if (usage.cacheReadTokens >= before.tokens * heldShare) return null;
      return { ...causeOf(before, prompt), tokens: Math.min(before.tokens, tokens) - usage.cacheReadTokens };
    };
  }
}

function causeOf(before: Prompt, now: Prompt): Pick<CacheBreak, 'cause' | 'tools'> {
  if (before.model !== now.model) return { cause: 'model' };
  const names = new Set([...before.tools.keys(), ...now.tools.keys()]);
  const changed = [...names].filter((name) => before.tools.get(name) !== now.tools.get(name));
  if (changed.length > 0) return { cause: 'tools', tools: changed.slice(0, 20) };
  if ([...before.tools.keys()].join('\n') !== [...now.tools.keys()].join('\n')) return { cause: 'tools' };
  if (before.system !== now.system) return { cause: 'system' };
  const other = before.pieces.find(({ hash }, at) => now.pieces[at]?.hash !== hash);
  if (other) return { cause: other.thinking ? 'thinking' : 'earlier' };
  return { cause: now.begun - before.begun > keptMs ? 'time' : 'provider' };
}

function promptOf(path: readonly string[], request: ModelRequest, begun: number): Prompt {
  const { model, system, tools, messages } = request;
  return {
    path: [...path],
    model,
    tools: new Map(tools.map((tool) => [tool.name, hashOf(JSON.stringify(tool))])),
    system: hashOf(system),
    pieces: messages.flatMap(({ role, content }) =>
      content.map((piece) => ({ thinking: piece.type === 'thinking', hash: hashOf(`${role}${textOf(piece)}`) })),
    ),
    begun,
  };
}

/** Pictures by their size and beginning: they come from the store by their hash, and do not change. */
function textOf(piece: ModelContent): string {
  return JSON.stringify(piece, (_key, value: unknown) =>
    value instanceof Uint8Array ? [value.length, Buffer.from(value.subarray(0, 64)).toString('base64')] : value,
  );
}

function hashOf(text: string): string {
  return createHash('sha1').update(text).digest('base64');
}
