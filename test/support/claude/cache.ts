import { hash } from 'node:crypto';
import type { BlockParam, CacheControl, CountTokensRequest, ToolParam } from './request.ts';
import { blocksOf } from './request.ts';
import { blockTokens, messageOverheadTokens, promptTokens, toolTokens } from './tokens.ts';

/** Token counts of a prompt. Their sum is the whole prompt. */
export interface PromptUsage {
  readonly input: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
}

interface Piece {
  /** Content of the piece, and everything else that its cache entry depends on. */
  readonly content: unknown;
  readonly tokens: number;
  readonly control: CacheControl;
}

const lifetimes = { '5m': 5 * 60_000, '1h': 60 * 60_000 } as const;
/** Number of blocks before a breakpoint that are searched for an earlier entry. */
const lookback = 20;
const maxEntries = 10_000;

/**
 * Prompt caching as in the API. A prefix (tools, then system, then messages) that ends at a breakpoint is stored for
 * five minutes or an hour after its last use, by key and model. A later request reads the longest stored prefix that
 * ends at one of its breakpoints or up to twenty blocks before.
 */
export class PromptCache {
  readonly #entries = new Map<string, { expires: number; readonly ttl: '5m' | '1h' }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Counts a prompt and stores its prefixes. Call it only for a request that gets an answer. */
  use(scope: string, request: CountTokensRequest, minTokens: number): PromptUsage {
    const pieces = withAutomaticBreakpoint(piecesOf(request), request.cache_control);
    if (!pieces.some((piece) => piece.control)) {
      return { input: promptTokens(request), read: 0, write5m: 0, write1h: 0 };
    }
    const prefixes = chain(scope, pieces);
    const total = prefixes.at(-1)?.tokens ?? 0;
    const breakpoints = prefixes.flatMap((prefix, at) => (prefix.control ? [{ ...prefix, at }] : []));

    const readAt = breakpoints
      .map(({ at }) => this.#longestKnown(prefixes, at))
      .reduce((best, at) => Math.max(best, at), -1);
    const read = prefixes[readAt]?.tokens ?? 0;

    let write5m = 0;
    let write1h = 0;
    let counted = read;
    for (const { at, key, tokens, control } of breakpoints) {
      if (at <= readAt || tokens < minTokens) continue;
      const ttl = control?.ttl ?? '5m';
      if (ttl === '1h') write1h += tokens - counted;
      else write5m += tokens - counted;
      counted = tokens;
      this.#remember(key, ttl);
    }
    return { input: total - counted, read, write5m, write1h };
  }

  #longestKnown(prefixes: readonly { readonly key: string }[], from: number): number {
    const now = this.#now();
    for (let at = from; at >= 0 && at > from - lookback; at--) {
      const entry = this.#entries.get(prefixes[at]?.key ?? '');
      if (!entry || entry.expires <= now) continue;
      entry.expires = now + lifetimes[entry.ttl];
      return at;
    }
    return -1;
  }

  #remember(key: string, ttl: '5m' | '1h'): void {
    this.#entries.delete(key);
    this.#entries.set(key, { ttl, expires: this.#now() + lifetimes[ttl] });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries) break;
      this.#entries.delete(oldest);
    }
  }
}

function piecesOf(request: CountTokensRequest): Piece[] {
  const pieces: Piece[] = [];
  const add = (where: unknown, block: BlockParam | ToolParam, tokens: number) => {
    const control = 'cache_control' in block ? (block.cache_control as CacheControl) : undefined;
    pieces.push({ content: [where, block], tokens, control });
  };
  for (const tool of request.tools ?? []) add('tools', tool, toolTokens(tool));
  for (const block of blocksOf(request.system ?? [])) add('system', block, blockTokens(block));
  // A change of these keeps the tools and the system prompt cached, but no messages.
  const mode = [request.tool_choice, request.thinking];
  request.messages.forEach((message, at) => {
    blocksOf(message.content).forEach((block, inner) => {
      const where = [message.role, at === 0 && inner === 0 ? mode : null];
      add(where, block, blockTokens(block) + (inner === 0 ? messageOverheadTokens : 0));
      for (const nested of block.type === 'tool_result' ? blocksOf(block.content ?? []) : []) {
        if ('cache_control' in nested && nested.cache_control) {
          pieces.push({ content: null, tokens: 0, control: nested.cache_control as CacheControl });
        }
      }
    });
  });
  return pieces;
}

/** The request's own `cache_control` applies to its last block. */
function withAutomaticBreakpoint(pieces: Piece[], control: CacheControl): readonly Piece[] {
  const last = pieces.at(-1);
  if (!control || !last || last.control) return pieces;
  return [...pieces.slice(0, -1), { ...last, control }];
}

function chain(scope: string, pieces: readonly Piece[]) {
  let key = scope;
  let tokens = 0;
  return pieces.map((piece) => {
    key = hash('sha256', key + JSON.stringify(piece.content, withoutControl));
    tokens += piece.tokens;
    return { key, tokens, control: piece.control };
  });
}

function withoutControl(name: string, value: unknown): unknown {
  return name === 'cache_control' ? undefined : value;
}

/**
 * Returns the number of breakpoints of a request, and whether one with a longer lifetime follows one with a shorter
 * one.
 */
export function breakpointsOf(request: CountTokensRequest): { count: number; misordered: boolean } {
  const controls = piecesOf(request).flatMap((piece) => (piece.control ? [piece.control] : []));
  if (request.cache_control) controls.push(request.cache_control);
  const firstShort = controls.findIndex((control) => control.ttl !== '1h');
  const lastLong = controls.findLastIndex((control) => control.ttl === '1h');
  return { count: controls.length, misordered: firstShort >= 0 && lastLong > firstShort };
}
