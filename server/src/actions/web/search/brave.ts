import * as z from 'zod';
import { askEngine, type ErrorMeaning, type SearchEngine, type SearchResults } from './search.ts';

/** The used part of the response of `/res/v1/web/search`. */
const BraveResponse = z.object({
  web: z
    .object({
      results: z.array(
        z.object({
          title: z.string(),
          url: z.string(),
          description: z.string().optional(),
          age: z.string().optional(),
          page_age: z.string().optional(),
        }),
      ),
    })
    .optional(),
});

/** Maximum length of a query, in characters and words, and maximum number of results, as the API allows. */
const max = { chars: 400, words: 50, count: 20 } as const;

/** The API responds to an unknown token with 422. */
const meaning: ErrorMeaning = (status, body) =>
  status === 422 && body.includes('SUBSCRIPTION_TOKEN_INVALID') ? 'search_key' : undefined;

/** Brave Search: https://api-dashboard.search.brave.com/app/documentation/web-search */
export class BraveSearch implements SearchEngine {
  readonly name = 'Brave Search';
  readonly host: string;
  readonly #key: string;
  readonly #base: string;

  constructor(key: string, base = 'https://api.search.brave.com') {
    this.#key = key;
    this.#base = base;
    this.host = new URL(base).hostname;
  }

  async search(query: string, count: number, signal: AbortSignal): Promise<SearchResults> {
    const url = new URL('/res/v1/web/search', this.#base);
    url.searchParams.set('q', query.split(/\s+/).slice(0, max.words).join(' ').slice(0, max.chars));
    url.searchParams.set('count', String(Math.min(count, max.count)));
    url.searchParams.set('text_decorations', 'false');
    const init = { headers: { accept: 'application/json', 'x-subscription-token': this.#key } };
    const { web } = await askEngine(this, { url, init, schema: BraveResponse, meaning }, signal);
    return {
      results: (web?.results ?? []).map(({ title, url, description = '', age, page_age }) => ({
        title,
        url,
        snippet: description,
        age: age ?? page_age ?? null,
      })),
    };
  }
}
