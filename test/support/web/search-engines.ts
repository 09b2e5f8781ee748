import type { ServerResponse } from 'node:http';
import { bodyOf, type TestWeb } from './pages.ts';

/*
 * Stand-ins for three search APIs, which check requests and respond as the documentation of the APIs says.
 */

/** A search result of a test. Each API names these properties differently. */
export interface Entry {
  readonly title: string;
  readonly url: string;
  readonly text: string;
  readonly age?: string;
}

/** API key that the stand-ins accept. */
export const searchKey = 'search-key-0123456789';

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** https://api-dashboard.search.brave.com/api-reference/web/search/get */
export function serveBrave(web: TestWeb, entries: readonly Entry[]): void {
  web.routes['/res/v1/web/search'] = (request, response) => {
    const query = new URL(request.url ?? '', web.origin).searchParams;
    const invalid = (code: string) =>
      json(response, 422, { type: 'ErrorResponse', error: { id: 'x', status: 422, code, detail: 'no' }, time: 1 });
    if (request.headers['x-subscription-token'] !== searchKey) return invalid('SUBSCRIPTION_TOKEN_INVALID');
    const q = query.get('q') ?? '';
    const count = Number(query.get('count') ?? 20);
    if (
      request.method !== 'GET' ||
      q === '' ||
      q.length > 400 ||
      q.split(' ').length > 50 ||
      !(count >= 1 && count <= 20)
    )
      return invalid('VALIDATION');
    const mark = (text: string) => (query.get('text_decorations') === 'false' ? text : `<strong>${text}</strong>`);
    const results = entries.slice(0, count).map(({ title, url, text, age }) => ({
      type: 'search_result',
      title,
      url,
      description: mark(text),
      ...(age ? { age, page_age: '2026-11-20T00:00:00' } : {}),
      profile: { name: 'x', url, long_name: 'x', img: '' },
    }));
    // Without results, the response has no `web` property.
    json(response, 200, {
      type: 'search',
      query: { original: q },
      ...(results.length ? { web: { type: 'search', results } } : {}),
    });
  };
}

/** https://docs.tavily.com/documentation/api-reference/endpoint/search */
export function serveTavily(web: TestWeb, entries: readonly Entry[]): void {
  web.routes['/search'] = async (request, response) => {
    if (request.headers.authorization !== `Bearer ${searchKey}`)
      return json(response, 401, { detail: { error: 'Unauthorized: missing or invalid API key.' } });
    const body: unknown = JSON.parse(await bodyOf(request));
    if (request.method !== 'POST' || typeof body !== 'object' || body === null || !('query' in body))
      return json(response, 400, { detail: { error: 'Query is missing.' } });
    const maxResults = 'max_results' in body ? Number(body.max_results) : 5;
    if (!(maxResults >= 0 && maxResults <= 20))
      return json(response, 400, { detail: { error: 'max_results: 0 <= x <= 20' } });
    const results = entries.slice(0, maxResults).map(({ title, url, text, age }) => ({
      title,
      url,
      content: text,
      score: 0.9,
      raw_content: null,
      ...(age ? { published_date: age } : {}),
    }));
    json(response, 200, {
      query: body.query,
      answer: null,
      images: [],
      results,
      response_time: '1.67',
      request_id: 'x',
    });
  };
}

/** https://docs.searxng.org/dev/search_api.html */
export function serveSearxng(web: TestWeb, entries: readonly Entry[], formats = ['html', 'json']): void {
  web.routes['/search'] = (request, response) => {
    const query = new URL(request.url ?? '', web.origin).searchParams;
    if (!formats.includes(query.get('format') ?? 'html')) {
      response.writeHead(403).end('Forbidden');
      return;
    }
    const results = entries.map(({ title, url, text, age }) => ({
      url,
      title,
      content: text,
      publishedDate: age ?? null,
      engine: 'x',
      parsed_url: [],
      template: 'default.html',
      engines: ['x'],
      positions: [1],
      score: 1,
      category: 'general',
    }));
    json(response, 200, {
      query: query.get('q'),
      number_of_results: 0,
      results,
      answers: [],
      unresponsive_engines: [],
    });
  };
}
