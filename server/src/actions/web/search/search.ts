import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelCall } from '@devlm/protocol/tools.ts';
import { LRUCache } from 'lru-cache';
import type * as z from 'zod';

/** A page that a search found. */
export interface Found {
  readonly title: string;
  /** http or https. */
  readonly url: string;
  /** What the page says about it; '' where the engine tells nothing. */
  readonly snippet: string;
  /** As the engine says it: a date, or such as "3 days ago". Null where it does not. */
  readonly age: string | null;
}

/** What a search found, and what it cost beside the engine's own price: a model may have been asked. */
export interface Findings {
  readonly results: readonly Found[];
  /** US dollars; null when the price is not known. */
  readonly costUsd?: number | null;
  readonly call?: ModelCall;
}

/**
 * The port to a search engine. Failures are `ProblemError`s: `search_failed`, `search_key`, `search_limited`;
 * an aborted signal rejects with its reason.
 */
export interface SearchEngine {
  /** For people. */
  readonly name: string;
  /** Who is told what is searched for. */
  readonly host: string;
  /** The best first, at most `count`. */
  search(query: string, count: number, signal: AbortSignal): Promise<Findings>;
}

/** Longest parts of a result, in UTF-16 code units. */
const chars = { title: 300, url: 2_048, snippet: 1_000, age: 100 } as const;

/** A search engine whose answers are kept for some minutes and never larger than is good for a prompt. */
export class BoundedSearch implements SearchEngine {
  readonly name: string;
  readonly #engine: SearchEngine;
  readonly #kept = new LRUCache<string, Findings>({ max: 200, maxSize: 4_000_000, ttl: 15 * 60_000 });

  constructor(engine: SearchEngine) {
    this.#engine = engine;
    this.name = engine.name;
  }

  get host(): string {
    return this.#engine.host;
  }

  async search(query: string, count: number, signal: AbortSignal): Promise<Findings> {
    const key = `${count} ${query.trim().replace(/\s+/g, ' ')}`;
    const kept = this.#kept.get(key);
    // It costs nothing a second time.
    if (kept) return { results: kept.results };
    const findings = await this.#engine.search(query, count, signal);
    const results = findings.results.flatMap(bounded).slice(0, count);
    this.#kept.set(key, { results }, { size: JSON.stringify(results).length });
    return { ...findings, results };
  }
}

function bounded({ title, url, snippet, age }: Found): Found[] {
  if (url.length > chars.url || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return [];
  const cut = (text: string, most: number) => plain(text).slice(0, most).toWellFormed();
  return [
    {
      title: cut(title, chars.title) || url,
      url,
      snippet: cut(snippet, chars.snippet),
      age: age === null ? null : cut(age, chars.age) || null,
    },
  ];
}

/** In one line, and without the marks that engines put around words they found. */
function plain(text: string): string {
  return text
    .replace(/<\/?(strong|b|em|mark)>/gi, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** How long an engine may take, and how much it may say. */
const answer = { ms: 15_000, bytes: 2_000_000 } as const;

/** What a refusal of an engine means that is not said by 401, 403 or 429. */
export type Meaning = (status: number, body: string) => 'search_key' | 'search_limited' | undefined;

/**
 * Asks an engine's API.
 *
 * @throws ProblemError `search_failed`, `search_key`, `search_limited`; the signal's reason
 */
export async function askEngine<S extends z.ZodType>(
  engine: Pick<SearchEngine, 'name' | 'host'>,
  request: { readonly url: URL; readonly init?: RequestInit; readonly schema: S; readonly meaning?: Meaning },
  signal: AbortSignal,
): Promise<z.output<S>> {
  const deadline = AbortSignal.timeout(answer.ms);
  try {
    const response = await fetch(request.url, {
      ...request.init,
      // A key must not follow to another place.
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
    });
    const text = await textOf(response);
    if (!response.ok) {
      throw refusal(engine, response.status, request.meaning?.(response.status, text));
    }
    const parsed = request.schema.safeParse(JSON.parse(text));
    if (!parsed.success) throw searchProblem('search_failed', `${engine.name} answered in a form that is not known.`);
    return parsed.data;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProblemError) throw error;
    const why = deadline.aborted ? `did not answer within ${answer.ms / 1000} s` : 'did not answer as it should';
    // The error itself may quote the request, and the request has the key.
    throw searchProblem('search_failed', `${engine.name} (${engine.host}) ${why}. Try again later, or go on without.`);
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > answer.bytes) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refusal({ name }: Pick<SearchEngine, 'name'>, status: number, meaning: ReturnType<Meaning>): ProblemError {
  const code = meaning ?? (status === 401 || status === 403 ? 'search_key' : undefined);
  if (code === 'search_key')
    return searchProblem(code, `${name} refused the search key. Tell the person to check DEVLM_SEARCH_KEY.`);
  if (code === 'search_limited' || status === 429) {
    const detail = `${name} allows no more searches for now. Go on without, or try again later.`;
    return searchProblem('search_limited', detail);
  }
  return searchProblem('search_failed', `${name} answered with status ${status}. Try again later, or go on without.`);
}

export function searchProblem(code: 'search_failed' | 'search_key' | 'search_limited', detail: string): ProblemError {
  const status = { search_failed: 502, search_key: 401, search_limited: 429 }[code];
  return new ProblemError({ code, status, title: 'The search failed', detail });
}
