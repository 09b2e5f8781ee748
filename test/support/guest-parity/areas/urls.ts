import { areaOf } from '../parity.ts';

/** Programs about `url`. */
export const urlArea = areaOf('url', {
  'parts of a URL': `const url = new URL('https://u:p@example.org:8080/a/b?x=1&y=%20#h'); for (const key of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) console.log(key, url[key]);`,
  'relative URLs': `console.log(new URL('../c?d', 'http://h/a/b/').href, new URL('//x/y', 'https://h').href, String(new URL('HTTP://EXAMPLE.org:80/ä')), JSON.stringify(new URL('file:///a%20b')));`,
  'setting parts': `const url = new URL('http://h/a'); url.pathname = '/b c'; url.search = 'q=1'; url.hash = 'x'; url.port = '81'; url.protocol = 'https'; url.host = 'k:82'; console.log(url.href); url.searchParams.append('r', 'a&b'); console.log(url.href, url.search);`,
  'inspect of a URL': `console.log(new URL('http://h/a?b=1'));`,
  'invalid URLs': `for (const text of ['', 'x', 'http://']) try { new URL(text); } catch (error) { console.log(error.name, error.code, error.message, error.input); } console.log(URL.canParse('http://x'), URL.canParse('x'), URL.parse?.('x'));`,
  URLSearchParams: `const params = new URLSearchParams('?a=1&b=2&a=%20x+y&c'); console.log(params.get('a'), params.getAll('a'), params.has('c'), params.get('none'), [...params], params.toString(), params.size); params.delete('a'); params.set('b', '3'); params.append('d', 'é&'); params.sort(); console.log(String(params));`,
  'URLSearchParams of other values': `console.log(String(new URLSearchParams({ a: 1, b: 'x y' })), String(new URLSearchParams([['a', 'b'], ['a', 'c']])), String(new URLSearchParams(new Map([['k', 'v']]))), String(new URLSearchParams(new URLSearchParams('z=1'))), String(new URLSearchParams('a=~!*()\\'')), new URLSearchParams('bad=%zz').get('bad'));`,
  'inspect of URLSearchParams': `console.log(new URLSearchParams('a=1&b=2'), new URLSearchParams().keys());`,
  'values with has and delete': `const params = new URLSearchParams('a=1&a=2'); console.log(params.has('a', '2'), params.has('a', '3')); params.delete('a', '1'); console.log(String(params));`,
  'paths of files': `import { fileURLToPath, pathToFileURL } from 'node:url'; console.log(fileURLToPath('file:///a%20b/c'), pathToFileURL('/a b/#c?d%').href, fileURLToPath(new URL('file:///x'))); try { fileURLToPath('http://x'); } catch (error) { console.log(error.code); }`,
  'the old url.parse': `import url from 'node:url'; const { protocol, host, port, pathname, query, hash } = url.parse('http://h:1/p?q=1#x'); console.log(protocol, host, port, pathname, query, hash); console.log(url.format({ protocol: 'http', host: 'h', pathname: '/p', query: { a: 1 } }), url.resolve('http://h/a/b', '../c'));`,
  'url.format of a URL': `import url from 'node:url'; console.log(url.format(new URL('http://u:p@h/a#x'), { auth: false, fragment: false })); console.log(url.urlToHttpOptions(new URL('http://h/p?q')).path, url.domainToASCII('español.com'));`,
  querystring: `import querystring from 'node:querystring'; console.log(querystring.parse('a=1&b=x%20y&a=2&c'), querystring.stringify({ a: [1, 2], b: 'x y', c: '', d: null, e: true }), querystring.escape('a b&ü'), querystring.unescape('%zz%20'));`,
  'querystring with separators': `import { parse, stringify, encode } from 'node:querystring'; console.log(parse('a:1;b:2', ';', ':'), stringify({ a: 1, b: 2 }, ';', ':'), parse('a=1&b=2&c=3', null, null, { maxKeys: 2 }), encode === stringify);`,
  string_decoder: `import { StringDecoder } from 'node:string_decoder'; const decoder = new StringDecoder('utf8'); console.log(JSON.stringify([decoder.write(Buffer.from([0xe2, 0x82])), decoder.write(Buffer.from([0xac, 0x61])), decoder.end(Buffer.from([0xc3]))])); const hex = new StringDecoder('base64'); console.log(hex.write(Buffer.from('a')) + hex.write(Buffer.from('bc')) + hex.end());`,
  'punycode of hosts': `console.log(new URL('http://münchen.de/').host, new URL('http://[::1]:80/').host, new URL('http://1.2.3/').hostname);`,
});

/** Programs about `stream`. */
export const streamArea = areaOf('stream', {
  'readable from a list': `import { Readable } from 'node:stream'; for await (const piece of Readable.from(['a', 'b'])) console.log(piece);`,
  'transform and pipeline': `import { pipeline } from 'node:stream/promises'; import { Readable, Transform, Writable } from 'node:stream'; const upper = new Transform({ transform(chunk, _, done) { done(null, String(chunk).toUpperCase()); } }); await pipeline(Readable.from(['a', 'b']), upper, new Writable({ write(chunk, _, done) { console.log(String(chunk)); done(); } }));`,
  'duplex and events': `import { PassThrough } from 'node:stream'; const through = new PassThrough(); through.on('data', (data) => console.log(String(data))).on('end', () => console.log('end')); through.write('x'); through.end('y'); await new Promise((done) => through.on('close', done));`,
});
