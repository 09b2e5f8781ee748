import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import { askEngine, type SearchEngine, type SearchResults, searchProblem } from './search.ts';

/** The used part of the response of `/search?format=json`. */
const SearxngResponse = z.object({
  results: z.array(
    z.object({
      title: z.string().nullish(),
      url: z.string(),
      content: z.string().nullish(),
      publishedDate: z.string().nullish(),
    }),
  ),
});

/** SearXNG, a self-hosted search engine: https://docs.searxng.org/dev/search_api.html */
export class SearxngSearch implements SearchEngine {
  readonly name = 'SearXNG';
  readonly host: string;
  readonly #base: string;

  /** @param base its address. It may be on this machine, because the operator has chosen it. */
  constructor(base: string) {
    this.#base = base;
    this.host = new URL(base).hostname;
  }

  async search(query: string, count: number, signal: AbortSignal): Promise<SearchResults> {
    const url = new URL(`${this.#base.replace(/\/+$/, '')}/search`);
    url.searchParams.set('q', query);
    url.searchParams.set('format', 'json');
    try {
      const { results } = await askEngine(this, { url, schema: SearxngResponse }, signal);
      return {
        results: results.slice(0, count).map(({ title, url, content, publishedDate }) => ({
          title: title ?? '',
          url,
          snippet: content ?? '',
          age: publishedDate ?? null,
        })),
      };
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== 'search_key') throw error;
      const detail =
        'SearXNG does not answer in JSON. Tell the user to add json to search.formats in its settings.yml.';
      throw searchProblem('search_failed', detail);
    }
  }
}
