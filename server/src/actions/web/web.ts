import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Pages } from './pages.ts';
import { BraveSearch } from './search/brave.ts';
import { BoundedSearch, type SearchEngine } from './search/search.ts';
import { SearxngSearch } from './search/searxng.ts';
import { TavilySearch } from './search/tavily.ts';

/** The parts of the web that tools can use. */
export interface Web {
  readonly pages: Pick<Pages, 'read'>;
  /** Null if search is turned off. */
  readonly search: SearchEngine | null;
}

/** The configured search engine and its credentials. */
export interface SearchSettings {
  readonly search: 'claude' | 'brave' | 'tavily' | 'searxng' | 'none';
  readonly searchKey?: string | undefined;
  readonly searxngUrl?: string | undefined;
}

/**
 * Returns the search engine that the configuration names, or null for `none`.
 *
 * @param claude the search that the model's provider offers
 * @throws ProblemError `config_invalid` if the required key or address is missing
 */
export function searchEngine(settings: SearchSettings, claude: SearchEngine): SearchEngine | null {
  const { search, searchKey, searxngUrl } = settings;
  switch (search) {
    case 'claude':
      return new BoundedSearch(claude);
    case 'brave':
      return new BoundedSearch(new BraveSearch(searchKey ?? throwMissing('DEVLM_SEARCH_KEY')));
    case 'tavily':
      return new BoundedSearch(new TavilySearch(searchKey ?? throwMissing('DEVLM_SEARCH_KEY')));
    case 'searxng':
      return new BoundedSearch(new SearxngSearch(searxngUrl ?? throwMissing('DEVLM_SEARXNG_URL')));
    case 'none':
      return null;
  }
}

function throwMissing(variable: string): never {
  const detail = `The search engine requires ${variable}. See devlm serve --help.`;
  throw new ProblemError({ code: 'config_invalid', status: 400, title: 'Invalid configuration', detail });
}
