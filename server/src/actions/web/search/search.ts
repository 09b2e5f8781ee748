import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelCall } from '@devlm/protocol/tools.ts';
import { LRUCache } from 'lru-cache';
import type * as z from 'zod';

/** A search result. */
export interface SearchResult {
  readonly title: string;
  /** An http or https address. */
  readonly url: string;
  /** The engine's excerpt of the page, or an empty string. */
  readonly snippet: string;
  /** The age as the engine states it: a date, or a text such as "3 days ago". Null if unknown. */
  readonly age: string | null;
}

/** The results of a search and its extra cost, if a model was asked for them. */
export interface SearchResults {
  readonly results: readonly SearchResult[];
  /** Cost in US dollars, in addition to the engine's own price; null if the price is unknown. */
  readonly costUsd?: number | null;
  /** The model call that made the search. */
  readonly call?: ModelCall;
}

/**
 * The port for search engines. Failures are `ProblemError`s with the codes `search_failed`, `search_key` and
 * `search_limited`. If the signal aborts, the search rejects with its reason.
 */
export interface SearchEngine {
  /** Display name. */
  readonly name: string;
  /** Name of the host that receives the query. */
  readonly host: string;
  /** Returns at most `count` results, best first. */
  search(query: string, count: number, signal: AbortSignal): Promise<SearchResults>;
}

/** Maximum lengths of the parts of a result, in UTF-16 code units. */
const maxChars = { title: 300, url: 2_048, snippet: 1_000, age: 100 } as const;

/** A search engine whose results are cached for 15 minutes and bounded in size, so that they fit into a prompt. */
export class BoundedSearch implements SearchEngine {
  readonly name: string;
  readonly #engine: SearchEngine;
  readonly #cache = new LRUCache<string, SearchResults>({ max: 200, maxSize: 4_000_000, ttl: 15 * 60_000 });

  constructor(engine: SearchEngine) {
    this.#engine = engine;
    this.name = engine.name;
  }

  get host(): string {
    return this.#engine.host;
  }

  async search(query: string, count: number, signal: AbortSignal): Promise<SearchResults> {
    const key = `${count} ${query.trim().replace(/\s+/g, ' ')}`;
    const cached = this.#cache.get(key);
    // A cached result costs nothing.
    if (cached) return { results: cached.results };
    const findings = await this.#engine.search(query, count, signal);
    const results = findings.results.flatMap(bounded).slice(0, count);
    this.#cache.set(key, { results }, { size: JSON.stringify(results).length });
    return { ...findings, results };
  }
}

function bounded({ title, url, snippet, age }: SearchResult): SearchResult[] {
  if (url.length > maxChars.url || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return [];
  const cut = (text: string, max: number) => plain(text).slice(0, max).toWellFormed();
  return [
    {
      title: cut(title, maxChars.title) || url,
      url,
      snippet: cut(snippet, maxChars.snippet),
      age: age === null ? null : cut(age, maxChars.age) || null,
    },
  ];
}

/** Returns the text on one line, without the tags that engines put around matched words. */
function plain(text: string): string {
  return text
    .replace(/<\/?(strong|b|em|mark)>/gi, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Limits of a response: milliseconds and bytes. */
const responseLimits = { ms: 15_000, bytes: 2_000_000 } as const;

/**
 * Classifies the error response of an engine if its meaning differs from that of the status. Otherwise returns
 * undefined.
 */
export type ErrorMeaning = (status: number, body: string) => 'search_key' | 'search_limited' | undefined;

/**
 * Sends a request to an engine's API and returns its parsed response.
 *
 * @throws ProblemError `search_failed`, `search_key`, `search_limited`; the signal's reason
 */
export async function askEngine<S extends z.ZodType>(
  engine: Pick<SearchEngine, 'name' | 'host'>,
  request: { readonly url: URL; readonly init?: RequestInit; readonly schema: S; readonly meaning?: ErrorMeaning },
  signal: AbortSignal,
): Promise<z.output<S>> {
  const deadline = AbortSignal.timeout(responseLimits.ms);
  try {
    const response = await fetch(request.url, {
      ...request.init,
      // The key must not follow a redirect to another host.
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
    });
    const text = await textOf(response);
    if (!response.ok) {
      throw refusedSearch(engine, response.status, request.meaning?.(response.status, text));
    }
    const parsed = request.schema.safeParse(JSON.parse(text));
    if (!parsed.success)
      throw searchProblem(
        'search_failed',
        `${engine.name} answered in a format that DevLM does not know. Continue without it.`,
      );
    return parsed.data;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProblemError) throw error;
    const why = deadline.aborted ? `did not answer within ${responseLimits.ms / 1000} s` : 'did not answer correctly';
    // The error itself may quote the request, which contains the key.
    throw searchProblem(
      'search_failed',
      `${engine.name} (${engine.host}) ${why}. Try again later, or continue without it.`,
    );
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > responseLimits.bytes) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refusedSearch(
  { name }: Pick<SearchEngine, 'name'>,
  status: number,
  meaning: ReturnType<ErrorMeaning>,
): ProblemError {
  const code = meaning ?? (status === 401 || status === 403 ? 'search_key' : undefined);
  if (code === 'search_key')
    return searchProblem(code, `${name} rejected the search key. Tell the user to check DEVLM_SEARCH_KEY.`);
  if (code === 'search_limited' || status === 429) {
    const detail = `${name} does not allow more searches for now. Continue without it, or try again later.`;
    return searchProblem('search_limited', detail);
  }
  return searchProblem(
    'search_failed',
    `${name} answered with status ${status}. Try again later, or continue without it.`,
  );
}

/** Creates an error of a search. */
export function searchProblem(code: 'search_failed' | 'search_key' | 'search_limited', detail: string): ProblemError {
  const status = { search_failed: 502, search_key: 401, search_limited: 429 }[code];
  return new ProblemError({ code, status, title: 'Search failed', detail });
}
