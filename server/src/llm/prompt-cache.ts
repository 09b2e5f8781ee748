import { createHash } from 'node:crypto';
import type { Usage } from '@devlm/protocol/events.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import { LRUCache } from 'lru-cache';
import type { ModelContent, ModelRequest } from './model.ts';

/*
 * Watches the provider's prompt cache. The cached order is tools, system prompt, messages; a changed byte invalidates
 * everything after it: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */

/**
 * Time after the last use at which the provider drops a cached prompt, in milliseconds. The 1-hour cache is not used:
 * https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export const promptCacheTtlMs = 5 * 60_000;
/** Minimum prompt size that is watched, in tokens. Not every model caches shorter prompts. */
const minTokens = 4_096;
/**
 * Minimum share of the previous prompt that a working cache returns; in fact it returns nearly all. Below it the cache
 * counts as broken.
 */
const minCachedShare = 0.5;
/** Maximum number of conversations that are watched at one time. */
const maxConversations = 1_000;

/** The hashes of a prompt, to compare it with the next one. */
interface Prompt {
  readonly path: readonly string[];
  readonly model: string;
  /** Hash of each tool by its name. */
  readonly tools: ReadonlyMap<string, string>;
  readonly system: string;
  readonly pieces: readonly { readonly thinking: boolean; readonly hash: string }[];
  readonly begun: number;
}

/** Remembers the last prompt of each conversation, and tells when and why the provider could not read it from the cache. */
export class PromptCacheWatch {
  readonly #last = new LRUCache<string, Prompt & { readonly tokens: number }>({ max: maxConversations });

  /**
   * Starts to watch a step. The returned function is called when the step has ended, with the usage that the provider
   * counted, and returns the break of the cache, if any.
   *
   * @param path names of the parts of the prompt, such as the ids of its turns; a prompt that does not continue the
   * parts of the previous one, such as that of another branch, does not count as a break
   */
  begin(
    conversationId: string,
    path: readonly string[],
    request: ModelRequest,
    now = performance.now(),
  ): (usage: Usage) => CacheBreak | null {
    return (usage) => {
      // Hash only now, so that the call does not wait for it.
      const prompt = promptOf(path, request, now);
      const before = this.#last.get(conversationId);
      const tokens = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
      this.#last.set(conversationId, { ...prompt, tokens });
      if (!before || before.tokens < minTokens || before.path.some((name, at) => path[at] !== name)) return null;
      if (usage.cacheReadTokens >= before.tokens * minCachedShare) return null;
      return { ...causeOf(before, prompt), tokens: Math.min(before.tokens, tokens) - usage.cacheReadTokens };
    };
  }
}

/** Returns why the cache broke, by the first difference between two prompts. */
function causeOf(before: Prompt, now: Prompt): Pick<CacheBreak, 'cause' | 'tools'> {
  if (before.model !== now.model) return { cause: 'model' };
  const names = new Set([...before.tools.keys(), ...now.tools.keys()]);
  const changed = [...names].filter((name) => before.tools.get(name) !== now.tools.get(name));
  if (changed.length > 0) return { cause: 'tools', tools: changed.slice(0, 20) };
  if ([...before.tools.keys()].join('\n') !== [...now.tools.keys()].join('\n')) return { cause: 'tools' };
  if (before.system !== now.system) return { cause: 'system' };
  const changedPiece = before.pieces.find(({ hash }, at) => now.pieces[at]?.hash !== hash);
  if (changedPiece) return { cause: changedPiece.thinking ? 'thinking' : 'earlier' };
  return { cause: now.begun - before.begun > promptCacheTtlMs ? 'time' : 'provider' };
}

function promptOf(path: readonly string[], request: ModelRequest, begun: number): Prompt {
  const { model, system, tools, messages } = request;
  return {
    path: [...path],
    model,
    tools: new Map(tools.map((tool) => [tool.name, sha1Of(JSON.stringify(tool))])),
    system: sha1Of(system),
    pieces: messages.flatMap(({ role, content }) =>
      content.map((piece) => ({ thinking: piece.type === 'thinking', hash: sha1Of(`${role}${textOf(piece)}`) })),
    ),
    begun,
  };
}

/**
 * Returns a piece as text. Images are represented by their size and beginning: they come from the store by hash and do
 * not change.
 */
function textOf(piece: ModelContent): string {
  return JSON.stringify(piece, (_key, value: unknown) =>
    value instanceof Uint8Array ? [value.length, Buffer.from(value.subarray(0, 64)).toString('base64')] : value,
  );
}

function sha1Of(text: string): string {
  return createHash('sha1').update(text).digest('base64');
}
