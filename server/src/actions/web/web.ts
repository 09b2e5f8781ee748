import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Pages } from './pages.ts';
import { BraveSearch } from './search/brave.ts';
import { BoundedSearch, type SearchEngine } from './search/search.ts';
import { SearxngSearch } from './search/searxng.ts';
import { TavilySearch } from './search/tavily.ts';

/** What tools reach of the web. */
export interface Web {
  readonly pages: Pick<Pages, 'read'>;
  /** Null where searching is turned off. */
  readonly search: SearchEngine | null;
}

/** Which engine searches, and what it needs. */
export interface SearchSettings {
  readonly search: 'claude' | 'brave' | 'tavily' | 'searxng' | 'none';
  readonly searchKey?: string | undefined;
  readonly searxngUrl?: string | undefined;
}

/**
 * The search engine that the configuration names.
 *
 * @param claude the search that the model's provider offers
 * @throws ProblemError `config_invalid` where it needs a key or an address that is not there
 */
export function searchEngine(settings: SearchSettings, claude: SearchEngine): SearchEngine | null {
  const { search, searchKey, searxngUrl } = settings;
  switch (search) {
    case 'claude':
      return new BoundedSearch(claude);
    case 'brave':
      return new BoundedSearch(new BraveSearch(searchKey ?? missing('DEVLM_SEARCH_KEY')));
    case 'tavily':
      return new BoundedSearch(new TavilySearch(searchKey ?? missing('DEVLM_SEARCH_KEY')));
    case 'searxng':
      return new BoundedSearch(new SearxngSearch(searxngUrl ?? missing('DEVLM_SEARXNG_URL')));
    case 'none':
      return null;
  }
}

function missing(variable: string): never {
  const detail = `search: this search engine needs ${variable}. See devlm serve --help.`;
  throw new ProblemError({ code: 'config_invalid', status: 400, title: 'Wrong configuration', detail });
}
