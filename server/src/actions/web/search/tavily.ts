import * as z from 'zod';
import { askEngine, type ErrorMeaning, type SearchEngine, type SearchResults } from './search.ts';

/** The used part of the response of `POST /search`. */
const TavilyResponse = z.object({
  results: z.array(
    z.object({
      title: z.string(),
      url: z.string(),
      content: z.string().nullish(),
      published_date: z.string().nullish(),
    }),
  ),
});

/** Maximum number of results that the API allows. */
const maxResults = 20;

/** 432 is the limit of the plan, 433 that of pay-as-you-go. */
const meaning: ErrorMeaning = (status) => (status === 432 || status === 433 ? 'search_limited' : undefined);

/** Tavily: https://docs.tavily.com/documentation/api-reference/endpoint/search */
export class TavilySearch implements SearchEngine {
  readonly name = 'Tavily';
  readonly host: string;
  readonly #key: string;
  readonly #base: string;

  constructor(key: string, base = 'https://api.tavily.com') {
    this.#key = key;
    this.#base = base;
    this.host = new URL(base).hostname;
  }

  async search(query: string, count: number, signal: AbortSignal): Promise<SearchResults> {
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, max_results: Math.min(count, maxResults), search_depth: 'basic' }),
    };
    const url = new URL('/search', this.#base);
    const { results } = await askEngine(this, { url, init, schema: TavilyResponse, meaning }, signal);
    return {
      results: results.map(({ title, url, content, published_date }) => ({
        title,
        url,
        snippet: content ?? '',
        age: published_date ?? null,
      })),
    };
  }
}
