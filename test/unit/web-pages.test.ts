import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decodeText } from '../../server/src/actions/web/charset.ts';
import { Pages } from '../../server/src/actions/web/pages.ts';
import { share } from '../support/deep.ts';
import { TestWeb } from '../support/web/pages.ts';

let web: TestWeb;
let pages: Pages;
const signal = new AbortController().signal;
const everywhere = () => true;

beforeAll(async () => {
  web = await TestWeb.start();
});
afterAll(() => web[Symbol.asyncDispose]());
beforeEach(() => {
  web.seen.length = 0;
  for (const route of Object.keys(web.routes)) delete web.routes[route];
  pages = new Pages({
    resolve: async (host) => [host.startsWith('private.') ? '127.0.0.1' : '93.184.215.14'],
    dial: () => ({ host: '127.0.0.1', port: web.port }),
  });
});

const read = (path: string, permit: (to: URL) => boolean = everywhere) =>
  pages.read(`http://a.example.com${path}`, permit, signal);
const problem = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });
const textOf = async (html: string | Buffer, type?: string) => {
  web.page('/x', html, type);
  return (await read('/x')).text;
};

describe('a page', () => {
  test('a page becomes Markdown with title, code, tables and complete links', async () => {
    web.page(
      '/docs/a',
      `<!doctype html><title> The &amp;
       guide </title><nav><a href="/">Home</a></nav>
       <main><h1>Use it</h1><p>See <a href="../b?c#d">the rest</a> and <a href="javascript:alert(1)">this</a>.</p>
       <pre><code class="language-js">if (a &lt; b) {\n  \`x\`;\n}</code></pre>
       <table><tr><th>Name</th><th>Default</th></tr><tr><td>depth</td><td>2</td></tr></table></main>`,
    );
    const page = await read('/docs/a');
    expect(page).toMatchObject({ url: 'http://a.example.com/docs/a', status: 200, title: 'The & guide' });
    expect(page.text).toContain('# Use it');
    expect(page.text).toContain('[the rest](http://a.example.com/b?c#d)');
    expect(page.text).not.toContain('javascript:');
    expect(page.text).toContain('```js\nif (a < b) {\n  `x`;\n}\n```');
    expect(page.text).toMatch(/\| Name +\| Default +\|\n\|[ -]+\|[ -]+\|\n\| depth +\| 2 +\|/);
  });

  test.each([
    ['a comment', '<!-- HIDDEN -->'],
    ['a script', '<script>HIDDEN</script>'],
    ['a style', '<style>/* HIDDEN */</style>'],
    ['a template', '<template>HIDDEN</template>'],
    ['noscript', '<noscript>HIDDEN</noscript>'],
    ['a hidden element', '<p hidden>HIDDEN</p>'],
    ['one that is hidden from readers', '<p aria-hidden="true">HIDDEN</p>'],
    ['display: none', '<p style="color: red; display : none">HIDDEN</p>'],
    ['visibility: hidden', '<p style="visibility:hidden">HIDDEN</p>'],
    ['no size', '<p style="font-size:0px">HIDDEN</p>'],
    ['no opacity', '<p style="opacity:0">HIDDEN</p>'],
    ['a place off the screen', '<p style="position:absolute;left:-9999px">HIDDEN</p>'],
    ['a picture of SVG', '<svg><text>HIDDEN</text></svg>'],
  ])('the text of %s is left out of a page', async (_what, html) => {
    const text = await textOf(`<html><body><p>Seen.</p>${html}<p>Also seen.</p></body></html>`);
    expect(text).toContain('Seen.');
    expect(text).toContain('Also seen.');
    expect(text).not.toContain('HIDDEN');
  });

  test('a page of text, JSON or Markdown is returned unchanged', async () => {
    expect(await textOf('a <b>\n', 'text/plain')).toBe('a <b>\n');
    web.page('/y', '{"a": "<p>"}', 'application/json');
    expect((await read('/y')).text).toBe('{"a": "<p>"}');
    web.page('/z', '# Title\n\n<p>x', 'text/markdown; charset=utf-8');
    expect((await read('/z')).text).toBe('# Title\n\n<p>x');
  });

  test.each([
    ['utf-8 without a word', Buffer.from('Grüße 🎉'), 'text/plain'],
    ['windows-1252 by the header', Buffer.from('Grüße', 'latin1'), 'text/plain; charset=windows-1252'],
    ['windows-1252 without a word', Buffer.from('Grüße', 'latin1'), 'text/plain'],
    ['a charset that is none', Buffer.from('Grüße'), 'text/plain; charset=klingon'],
    ['utf-16 by its mark', Buffer.from('\ufeffGrüße', 'utf16le'), 'text/plain; charset=iso-8859-1'],
    ['latin by its meta', Buffer.from('<meta charset="latin1"><p>Grüße', 'latin1'), 'text/html'],
    [
      'a meta that lies about itself',
      Buffer.from('<meta http-equiv="content-type" content="text/html; charset=utf-16"><p>Grüße'),
      'text/html',
    ],
    ['shift_jis', Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67]), 'text/plain; charset=shift_jis'],
  ])('a page is decoded with its encoding: %s', async (_what, bytes, type) => {
    expect(await textOf(bytes, type)).toMatch(/Grüße|テスト/);
  });

  test.each([
    ['a PDF', '%PDF-1.7', 'application/pdf'],
    ['a picture', 'x', 'image/png'],
    ['bytes', 'x', 'application/octet-stream'],
    ['bytes that are called text', 'a\0b', 'text/plain'],
  ])('a page is refused with a reason when it is %s', async (_what, body, type) => {
    await expect(textOf(body, type)).rejects.toEqual(problem('fetch_unreadable'));
  });

  test('a missing page is reported with its status', async () => {
    expect(await read('/none')).toMatchObject({ status: 404, text: 'There is no such page.' });
    // The page may exist later.
    web.page('/none', 'Here it is.', 'text/plain');
    expect(await read('/none')).toMatchObject({ status: 200, text: 'Here it is.' });
  });

  test('a page is cached for some minutes, whatever the fragment', async () => {
    web.page('/x', 'one', 'text/plain');
    await read('/x#a');
    web.page('/x', 'two', 'text/plain');
    expect((await read('/x#b')).text).toBe('one');
    expect(web.fetched).toEqual(['a.example.com/x']);
    expect((await read('/x?other')).text).toBe('two');
  });

  test('a cached page is not returned if its redirect is not permitted', async () => {
    web.routes['a.example.com/x'] = (_, response) =>
      response.writeHead(302, { location: 'http://b.example.com/y' }).end();
    web.page('b.example.com/y', 'there', 'text/plain');
    expect((await read('/x')).text).toBe('there');
    await expect(read('/x', (to) => to.hostname === 'a.example.com')).rejects.toEqual(problem('fetch_refused'));
  });
});

describe('a hostile page', { timeout: 60_000 }, () => {
  test('a page nested 100,000 deep is given up and blocks nothing meanwhile', async () => {
    const slow = textOf(`${'<div>'.repeat(100_000)}x`).catch((error: unknown) => error);
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    expect(await slow).toEqual(problem('page_unreadable'));
    clearInterval(ticking);
    // The time limit is some seconds.
    expect(ticks).toBeGreaterThan(50);
    web.page('/y', '<p>fine');
    expect((await read('/y')).text).toBe('fine');
  });

  test('a page with a table of 4,000 rows is read', async () => {
    const text = await textOf(`<table>${'<tr><td>a</td><td>b</td></tr>'.repeat(4_000)}</table>`);
    expect(text.match(/a/g)).toHaveLength(4_000);
  });

  test('a page of 10 MB, packed or not, is rejected', async () => {
    await expect(textOf('x'.repeat(10_000_000), 'text/html')).rejects.toEqual(problem('fetch_too_large'));
    web.routes['/bomb'] = (_, response) =>
      response
        .writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
        .end(gzipSync(Buffer.alloc(50_000_000, '<p>')));
    await expect(read('/bomb')).rejects.toEqual(problem('fetch_too_large'));
  });

  test('a page with endless attributes, entities and tags is read or given up', async () => {
    const hostile = [
      '<table>'.repeat(500),
      `<p ${'a=b '.repeat(200_000)}>x`,
      '&amp;'.repeat(300_000),
      '<'.repeat(300_000),
    ];
    for (const html of share(hostile, 4)) {
      const [result] = await Promise.allSettled([textOf(html)]);
      if (result?.status === 'rejected') expect(result.reason).toEqual(problem('page_unreadable'));
      delete web.routes['/x'];
      pages = new Pages({
        resolve: async () => ['93.184.215.14'],
        dial: () => ({ host: '127.0.0.1', port: web.port }),
      });
    }
  });

  test.each([
    'http://169.254.169.254/latest',
    'http://private.example.com/',
    'file:///etc/passwd',
    'http://a.example.com/x',
  ])('a redirect to %s is not followed', async (location) => {
    web.routes['/x'] = (_, response) => response.writeHead(302, { location }).end();
    await expect(read('/x')).rejects.toEqual(problem('fetch_refused'));
    expect(web.fetched.filter((address) => address !== 'a.example.com/x')).toEqual([]);
  });

  test('reading a hostile page stops with the signal', async () => {
    web.routes['/slow'] = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).write('<p>');
    const controller = new AbortController();
    const reading = pages.read('http://a.example.com/slow', everywhere, controller.signal);
    setTimeout(() => controller.abort(new Error('Stopped')), 100);
    await expect(reading).rejects.toThrow('Stopped');
  });
});

describe('robots.txt', () => {
  test('robots.txt is fetched once per site, and pages that it disallows are not fetched', async () => {
    web.page('/robots.txt', 'User-agent: *\nDisallow: /private\nAllow: /private/open', 'text/plain');
    web.page('/private/open', 'open', 'text/plain');
    await expect(read('/private/x')).rejects.toEqual(problem('fetch_disallowed'));
    expect((await read('/private/open')).text).toBe('open');
    expect(web.seen).toEqual(['a.example.com/robots.txt', 'a.example.com/private/open']);
  });

  test('robots.txt can name DevLM', async () => {
    web.page('/robots.txt', 'User-agent: *\nAllow: /\n\nUser-agent: DevLM\nDisallow: /', 'text/plain');
    await expect(read('/x')).rejects.toEqual(problem('fetch_disallowed'));
  });

  test('robots.txt applies to the target of a redirect', async () => {
    web.routes['a.example.com/x'] = (_, response) =>
      response.writeHead(302, { location: 'http://b.example.com/y' }).end();
    web.page('b.example.com/robots.txt', 'User-agent: *\nDisallow: /', 'text/plain');
    await expect(read('/x')).rejects.toEqual(problem('fetch_disallowed'));
    expect(web.fetched).toEqual(['a.example.com/x']);
  });

  test.each([
    [503, 'fetch_disallowed'],
    [429, 'fetch_disallowed'],
  ])('a robots.txt that answers %i disallows everything', async (status, code) => {
    web.routes['/robots.txt'] = (_, response) => response.writeHead(status).end();
    await expect(read('/x')).rejects.toEqual(problem(code));
  });

  test('a robots.txt that is a page, or redirects elsewhere, disallows nothing', async () => {
    web.page('/x', 'x', 'text/plain');
    web.page('a.example.com/robots.txt', '<html><body>Welcome');
    expect((await read('/x')).text).toBe('x');
    web.routes['b.example.com/robots.txt'] = (_, response) =>
      response.writeHead(302, { location: 'http://c.example.com/robots.txt' }).end();
    web.page('c.example.com/robots.txt', 'User-agent: *\nDisallow: /', 'text/plain');
    expect((await pages.read('http://b.example.com/x', everywhere, signal)).text).toBe('x');
    expect(web.seen).not.toContain('c.example.com/robots.txt');
  });
});

test('a text without a declared encoding is never an error', () => {
  expect(decodeText(Buffer.from([0xff, 0xfe]), null)).toBe('');
  expect(decodeText(Buffer.from([0x80, 0x81]), null)).toHaveLength(2);
});
