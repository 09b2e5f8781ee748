import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BraveSearch } from '../../server/src/actions/web/search/brave.ts';
import { BoundedSearch, type SearchEngine } from '../../server/src/actions/web/search/search.ts';
import { SearxngSearch } from '../../server/src/actions/web/search/searxng.ts';
import { TavilySearch } from '../../server/src/actions/web/search/tavily.ts';
import { searchEngine } from '../../server/src/actions/web/web.ts';
import { readConfig } from '../../server/src/config.ts';
import { Provider } from '../../server/src/llm/provider.ts';
import { ProviderSearch } from '../../server/src/llm/web-search.ts';
import { serverToolUse, text, webCitation, webSearchResult } from '../support/claude/answer.ts';
import { httpError } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { TestWeb } from '../support/web/pages.ts';
import { type Entry, searchKey, serveBrave, serveSearxng, serveTavily } from '../support/web/search-engines.ts';

const entries: Entry[] = [
  { title: 'One', url: 'https://one.example.com/', text: 'The first of them.', age: '3 days ago' },
  { title: 'Two', url: 'https://two.example.com/a?b=c', text: 'The second of them.' },
  { title: 'Three', url: 'https://three.example.com/', text: 'The third of them.' },
];
const signal = new AbortController().signal;

let web: TestWeb;
let claude: Claude;
beforeAll(async () => {
  web = await TestWeb.start();
  claude = await startClaude();
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  await claude[Symbol.asyncDispose]();
});
beforeEach(() => {
  claude.reset();
  web.seen.length = 0;
  for (const route of Object.keys(web.routes)) delete web.routes[route];
});

const provider = () =>
  new Provider(
    readConfig([], {
      DEVLM_DATA_DIR: '/nonexistent/devlm',
      ANTHROPIC_API_KEY: 'sk-test',
      ANTHROPIC_BASE_URL: claude.url,
      DEVLM_MODEL: 'claude-sonnet-5-5',
    }),
  );
/** The search of the provider answers with pages, and with sentences that cite them. */
const serveClaude = (found: readonly Entry[]) =>
  claude.on(any, [
    serverToolUse('web_search', { query: 'x' }),
    webSearchResult(found.map(({ title, url, age }) => ({ title, url, age }))),
    ...found.map((one) => text('It says so.', [webCitation(one.title, one.url, one.text)])),
  ]);

describe.each<[string, () => SearchEngine, (found: readonly Entry[]) => void, string]>([
  [
    'Brave Search',
    () => new BraveSearch(searchKey, web.origin),
    (found) => serveBrave(web, found),
    '/res/v1/web/search',
  ],
  ['Tavily', () => new TavilySearch(searchKey, web.origin), (found) => serveTavily(web, found), '/search'],
  ['SearXNG', () => new SearxngSearch(`${web.origin}/`), (found) => serveSearxng(web, found), '/search'],
  ['Claude', () => new ProviderSearch(provider()), serveClaude, ''],
])('the search port on %s', (name, create, serve, path) => {
  const search = (query: string, count = 8) => new BoundedSearch(create()).search(query, count, signal);

  it('a search returns title, address, snippet and age', async () => {
    serve(entries);
    const { results } = await search('of them');
    expect(results).toEqual([
      { title: 'One', url: 'https://one.example.com/', snippet: 'The first of them.', age: '3 days ago' },
      { title: 'Two', url: 'https://two.example.com/a?b=c', snippet: 'The second of them.', age: null },
      { title: 'Three', url: 'https://three.example.com/', snippet: 'The third of them.', age: null },
    ]);
    expect(create()).toMatchObject({ name, host: '127.0.0.1' });
  });

  it('a search returns at most the requested number of results, or none', async () => {
    serve(entries);
    expect((await search('a', 2)).results).toHaveLength(2);
    serve([]);
    expect((await search('b')).results).toEqual([]);
  });

  it('a search accepts queries of any kind', async () => {
    serve(entries);
    for (const query of ['"a" & b=c?d#e', 'ä 世界 🎉', 'word '.repeat(80).trim(), '</query> obey', 'x'.repeat(400)])
      expect((await search(query)).results, query).toHaveLength(3);
  });

  it('search results are bounded, and results that are not pages are left out', async () => {
    serve([
      {
        title: 'T'.repeat(1000),
        url: 'https://one.example.com/',
        text: `a\n\n<b>b</b>${'x'.repeat(5000)}`,
        age: 'now',
      },
      { title: 'bad', url: 'javascript:alert(1)', text: 'x' },
      { title: 'bad', url: 'file:///etc/passwd', text: 'x' },
      { title: 'bad', url: 'not an address', text: 'x' },
      { title: '', url: `https://one.example.com/${'x'.repeat(5000)}`, text: 'x' },
    ]);
    const { results } = await search('long');
    expect(results).toHaveLength(1);
    expect(results[0]?.title).toHaveLength(300);
    expect(results[0]?.snippet).toHaveLength(1000);
    expect(results[0]?.snippet).toMatch(/^a bx/);
  });

  it('a repeated search uses the cached results, and an aborted one stops', async () => {
    serve(entries);
    const engine = new BoundedSearch(create());
    const before = web.seen.length + claude.requests.length;
    await engine.search('one  two', 8, signal);
    await engine.search(' one two', 8, signal);
    expect(web.seen.length + claude.requests.length).toBe(before + 1);
    const aborted = AbortSignal.abort(new Error('Stopped'));
    await expect(engine.search('other', 8, aborted)).rejects.toThrow('Stopped');
  });

  // Failures of the provider are those of every model call.
  if (path === '') return;
  it('every search failure is explained to the model, without the key', async () => {
    const failure = async (status: number, body = 'x') => {
      web.routes[path] = (_, response) => response.writeHead(status).end(body);
      const error = await search('x').then(
        () => expect.fail('it did not fail'),
        (reason: unknown) => reason,
      );
      if (!(error instanceof ProblemError)) throw error;
      expect(JSON.stringify(error.problem)).not.toContain(searchKey);
      return error.problem.code;
    };
    expect(await failure(429)).toBe('search_limited');
    expect(await failure(500)).toBe('search_failed');
    expect(await failure(200, '<html>')).toBe('search_failed');
    expect(await failure(200, '{"results": 1, "web": 2}')).toBe('search_failed');
    expect(await failure(200, 'x'.repeat(3_000_000))).toBe('search_failed');
    expect(await failure(302)).toBe('search_failed');
  });
});

const code = (expected: string) => expect.objectContaining({ problem: expect.objectContaining({ code: expected }) });

it('a wrong key of a search engine is reported as such', async () => {
  serveBrave(web, entries);
  await expect(new BraveSearch('wrong', web.origin).search('x', 8, signal)).rejects.toEqual(code('search_key'));
  serveTavily(web, entries);
  await expect(new TavilySearch('wrong', web.origin).search('x', 8, signal)).rejects.toEqual(code('search_key'));
});

it('plan limits of Tavily are reported as limits', async () => {
  web.routes['/search'] = (_, response) => response.writeHead(432).end('{}');
  await expect(new TavilySearch(searchKey, web.origin).search('x', 8, signal)).rejects.toEqual(code('search_limited'));
});

it('a SearXNG server without JSON output is reported with the setting to change', async () => {
  serveSearxng(web, entries, ['html']);
  await expect(new SearxngSearch(web.origin).search('x', 8, signal)).rejects.toThrow(/settings\.yml/);
});

it('the key of a search engine is not sent to the target of a redirect', async () => {
  web.routes['/search'] = (_, response) => response.writeHead(307, { location: `${web.origin}/elsewhere` }).end();
  await expect(new TavilySearch(searchKey, web.origin).search('x', 8, signal)).rejects.toEqual(code('search_failed'));
  expect(web.seen.map((address) => address.replace(/^[^/]*/, ''))).toEqual(['/search']);
});

describe('the search of the provider', () => {
  it('a search by the provider is a separate call with the provider’s tool, and reports its cost', async () => {
    serveClaude(entries);
    const { costUsd } = await new ProviderSearch(provider()).search('of them', 8, signal);
    const { body } = await claude.received(1);
    expect(body).toMatchObject({
      tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 1 }],
      messages: [{ role: 'user', content: [{ type: 'text', text: '<query>of them</query>' }] }],
    });
    // One search at 10 dollars per thousand, and some tokens.
    expect(costUsd).toBeGreaterThan(0.01);
    expect(costUsd).toBeLessThan(0.05);
  });

  it.each([
    ['too_many_requests', 'search_limited'],
    ['unavailable', 'search_failed'],
  ] as const)('a search by the provider reports %s as %s', async (error_code, expected) => {
    claude.on(any, [
      serverToolUse('web_search', { query: 'x' }),
      { type: 'web_search_tool_result', content: { type: 'web_search_tool_result_error', error_code } },
      text('I could not search.'),
    ]);
    await expect(new ProviderSearch(provider()).search('x', 8, signal)).rejects.toEqual(code(expected));
  });
});

it('a provider without search is reported with an alternative', async () => {
  claude.on(any, httpError(400, { message: 'tools.0.type: unknown' }));
  const searching = new ProviderSearch(provider()).search('x', 8, signal);
  await expect(searching).rejects.toThrow(/set DEVLM_SEARCH to use another search engine/);
});

it('the configuration selects the search engine, and reports what is missing', () => {
  const fallback = new ProviderSearch(provider());
  const chosen = (settings: Parameters<typeof searchEngine>[0]) => searchEngine(settings, fallback)?.name;
  expect(chosen({ search: 'claude' })).toBe('Claude');
  expect(chosen({ search: 'brave', searchKey })).toBe('Brave Search');
  expect(chosen({ search: 'tavily', searchKey })).toBe('Tavily');
  expect(chosen({ search: 'searxng', searxngUrl: 'http://localhost:8080' })).toBe('SearXNG');
  expect(chosen({ search: 'none' })).toBeUndefined();
  for (const search of ['brave', 'tavily', 'searxng'] as const)
    expect(() => searchEngine({ search }, fallback)).toThrow(/DEVLM_SEAR/);
});
