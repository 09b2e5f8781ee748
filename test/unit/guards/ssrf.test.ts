import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { notPublic } from '../../../server/src/actions/web/addresses.ts';
import { checkedTarget, type GuardedFetch, guardedFetch } from '../../../server/src/actions/web/ssrf.ts';
import { names, ssrfAttacks } from './ssrf-attacks.ts';

let server: Server;
let seen: string[];
let dialed: string[];
const routes: Record<string, RequestListener> = {
  '/page': (_, response) => response.setHeader('content-type', 'text/html; charset=UTF-8').end('<p>hello</p>'),
  '/untyped': (_, response) => response.end('hello'),
  '/image': (_, response) => response.setHeader('content-type', 'image/png').end('x'),
  '/binary': (_, response) => response.setHeader('content-type', 'application/octet-stream').end('x'),
  '/declared': (_, response) => response.setHeader('content-length', '6000000').write('x'),
  '/endless': (_, response) => {
    response.setHeader('content-type', 'text/plain');
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 'a')));
    };
    response.on('drain', more);
    more();
  },
  '/silent': () => {},
  '/slow': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).write('a');
    const timer = setInterval(() => response.write('a'), 20);
    response.on('close', () => clearInterval(timer));
  },
  '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/encoding': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end('x'),
  '/truncated': (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('a'.repeat(1000)).subarray(0, 12));
  },
  '/to': ({ url = '' }, response) => {
    const location = new URL(url, 'http://x').searchParams.get('url') ?? '';
    response.writeHead(302, { location }).end();
  },
};
const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
for (const [name, pack] of Object.entries(packers)) {
  const bomb = pack(Buffer.alloc(50_000_000));
  const headers = { 'content-type': 'text/plain', 'content-encoding': name };
  routes[`/${name}`] = (_, response) => response.writeHead(200, headers).end(pack('hello'));
  routes[`/bomb-${name}`] = (_, response) => response.writeHead(200, headers).end(bomb);
}

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.headers.host}${request.url}`);
    const route = routes[(request.url ?? '').replace(/\?.*/, '')];
    if (route) route(request, response);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen = [];
  dialed = [];
});

const resolve = async (host: string) => names[host.toLowerCase()] ?? [];
const options = (more: Partial<GuardedFetch> = {}): GuardedFetch => ({
  signal: new AbortController().signal,
  permitRedirect: () => true,
  resolve,
  dial: (address) => {
    dialed.push(address);
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  },
  ...more,
});
const refusal = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });
const page = (path: string) => `http://public.example.com${path}`;

describe('before anything is sent', () => {
  test.each(ssrfAttacks)('the address %j is rejected before anything is sent', async (url) => {
    await expect(guardedFetch(url, options())).rejects.toEqual(refusal('fetch_refused'));
    expect(seen).toEqual([]);
    expect(dialed).toEqual([]);
  });

  // Those that a header can contain, and that are not an ordinary page when parsed as a redirect.
  const redirects = ssrfAttacks.filter((url) => {
    if (!/^[!-~]+$/.test(url) || !URL.canParse(url, page('/'))) return false;
    const { protocol, host, username } = new URL(url, page('/'));
    return protocol !== 'http:' || host !== 'public.example.com' || username !== '';
  });

  test.each(redirects)('a redirect to %j is rejected', async (url) => {
    const result = guardedFetch(page(`/to?url=${encodeURIComponent(url)}`), options());
    await expect(result).rejects.toEqual(refusal('fetch_refused'));
    expect(seen).toHaveLength(1);
    expect(dialed).toEqual(['93.184.215.14']);
  });

  test('public addresses are accepted, with and without a port', async () => {
    for (const url of [
      'https://public.example.com/a?b=c',
      'http://93.184.215.14:8080/',
      'https://[2606:2800:21f::1]/',
    ]) {
      expect(notPublic((await checkedTarget(url, { resolve })).address)).toBeNull();
    }
    for (const address of [
      '8.8.8.8',
      '172.15.255.255',
      '172.32.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '2606:4700::1111',
    ]) {
      expect(notPublic(address), address).toBeNull();
    }
  });
});

test('a guarded fetch returns a page and its address', async () => {
  const found = await guardedFetch(page('/page#x'), options());
  expect(found).toMatchObject({ status: 200, contentType: 'text/html', charset: 'utf-8' });
  expect(found.bytes.toString()).toBe('<p>hello</p>');
  expect(seen).toEqual(['public.example.com/page']);
  expect((await guardedFetch(page('/untyped'), options())).bytes.toString()).toBe('hello');
  expect((await guardedFetch(page('/none'), options())).status).toBe(404);
});

test.each(Object.keys(packers))('a body packed with %s is unpacked up to the limit', async (name) => {
  expect((await guardedFetch(page(`/${name}`), options())).bytes.toString()).toBe('hello');
  await expect(guardedFetch(page(`/bomb-${name}`), options())).rejects.toEqual(refusal('fetch_too_large'));
});

test.each([
  ['/endless', 'fetch_too_large'],
  ['/declared', 'fetch_too_large'],
  ['/image', 'fetch_unreadable'],
  ['/binary', 'fetch_unreadable'],
  ['/encoding', 'fetch_failed'],
  ['/truncated', 'fetch_failed'],
  ['/loop', 'fetch_refused'],
])('a fetch of %s ends as %s', async (path, code) => {
  await expect(guardedFetch(page(path), options())).rejects.toEqual(refusal(code));
  expect(seen.length).toBeLessThanOrEqual(6);
});

test.each(['/silent', '/slow'])('a fetch of %s ends in time', async (path) => {
  const before = performance.now();
  await expect(guardedFetch(page(path), options({ timeoutMs: 300 }))).rejects.toEqual(refusal('fetch_timeout'));
  const hanging = options({ timeoutMs: 300, resolve: () => new Promise(() => {}) });
  await expect(guardedFetch(page('/page'), hanging)).rejects.toEqual(refusal('fetch_timeout'));
  expect(performance.now() - before).toBeLessThan(3000);
});

test('a guarded fetch stops with the reason of its signal', async () => {
  const controller = new AbortController();
  const result = guardedFetch(page('/slow'), options({ signal: controller.signal }));
  setTimeout(() => controller.abort(new Error('Stopped')), 100);
  await expect(result).rejects.toThrow('Stopped');
});

test('every redirect is checked before it is followed', async () => {
  const asked: string[] = [];
  const refuse = options({
    permitRedirect: (to, from) => {
      asked.push(to.href);
      return to.hostname === from.hostname;
    },
  });
  const url = page('/to?url=http://other.example.com/page');
  await expect(guardedFetch(url, refuse)).rejects.toEqual(refusal('fetch_refused'));
  expect(asked).toEqual(['http://other.example.com/page']);
  expect(seen).toHaveLength(1);
  expect((await guardedFetch(url, options())).url).toBe('http://other.example.com/page');
  expect((await guardedFetch(page('/to?url=/page'), refuse)).status).toBe(200);
});

test('a name that changes its address between the check and the connection gains nothing', async () => {
  let times = 0;
  const rebinding = options({ resolve: async () => (times++ === 0 ? ['93.184.215.14'] : ['127.0.0.1']) });
  expect((await guardedFetch('http://rebind.example.com/page', rebinding)).status).toBe(200);
  // The name is resolved once, and the connection goes to the checked address.
  expect(times).toBe(1);
  expect(dialed).toEqual(['93.184.215.14']);
  // The next hop is resolved and checked again.
  times = 0;
  const again = guardedFetch('http://rebind.example.com/to?url=/page', rebinding);
  await expect(again).rejects.toEqual(refusal('fetch_refused'));
  expect(times).toBe(2);
});
