import { bytesOf } from '../raw-http.ts';
import { type Attack, bearer, type Edge, json, request } from './attack.ts';

const smuggled = ({ host, secret }: Edge) => `GET /admin/tokens HTTP/1.1\r\nHost: ${host}\r\n${bearer(secret)}\r\n\r\n`;
const head = (edge: Edge, line: string, ...headers: string[]) =>
  `${[`${line} HTTP/1.1`, `Host: ${edge.host}`, bearer(edge.secret), ...headers].join('\r\n')}\r\n\r\n`;

const posts = ['POST /backend/conversations', 'POST /llm/v1/messages'] as const;
const onBoth = (name: string, status: number, headers: readonly string[], body: string | ((edge: Edge) => string)) =>
  posts.map(
    (line): Attack => ({
      name: `${name}: ${line}`,
      statuses: [status],
      bytes: (edge) => head(edge, line, json, ...headers) + (typeof body === 'string' ? body : body(edge)),
    }),
  );
const chunked = (name: string, status: number, body: string) =>
  onBoth(name, status, ['Transfer-Encoding: chunked'], body);

/** Requests whose end two servers could see at different positions, so that one request hides in another. */
export const smugglingAttacks: readonly Attack[] = [
  ...onBoth('CL.TE', 400, ['Content-Length: 6', 'Transfer-Encoding: chunked'], (edge) => `0\r\n\r\n${smuggled(edge)}`),
  ...onBoth(
    'TE.CL',
    400,
    ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    (edge) => `10\r\n${smuggled(edge)}\r\n0\r\n\r\n`,
  ),
  ...onBoth('two equal lengths', 400, ['Content-Length: 2', 'Content-Length: 2'], '{}'),
  ...onBoth('a list of lengths', 400, ['Content-Length: 2, 2'], '{}'),
  ...onBoth('a length with a sign', 400, ['Content-Length: +2'], '{}'),
  ...onBoth('a length in hexadecimal', 400, ['Content-Length: 0x2'], '{}'),
  ...onBoth('a length with a space in it', 400, ['Content-Length: 1 2'], '{}'),
  ...onBoth('an empty length', 400, ['Content-Length:'], '{}'),
  ...onBoth('a length of 20 digits', 400, ['Content-Length: 99999999999999999999'], '{}'),
  ...onBoth('a length on a folded line', 400, ['Content-Length:', ' 2'], '{}'),
  ...onBoth('a space before the colon of the length', 400, ['Content-Length : 2'], '{}'),
  ...onBoth('two codings', 400, ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'),
  ...onBoth('chunked twice', 400, ['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'),
  ...onBoth('gzip before chunked', 400, ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
  ...onBoth('chunked before identity', 400, ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'),
  ...onBoth('chunked in quotes', 400, ['Transfer-Encoding: "chunked"'], '0\r\n\r\n'),
  ...onBoth('an unknown coding', 400, ['Transfer-Encoding: cow'], '0\r\n\r\n'),
  ...onBoth('a vertical tab before chunked', 400, ['Transfer-Encoding: \u000bchunked'], '0\r\n\r\n'),
  ...onBoth('chunked on a folded line', 400, ['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'),
  ...chunked('a negative chunk', 400, '-1\r\n{}\r\n0\r\n\r\n'),
  ...chunked('a chunk that overflows', 400, 'FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n'),
  ...chunked('a chunk with 0x', 400, '0x2\r\n{}\r\n0\r\n\r\n'),
  ...chunked('a space after the size of a chunk', 400, '2 \r\n{}\r\n0\r\n\r\n'),
  ...chunked('a chunk longer than its size', 400, '2\r\n{}xx\r\n0\r\n\r\n'),
  ...chunked('chunks that end with bare line feeds', 400, '2\n{}\n0\n\n'),
  ...chunked('an endless chunk extension', 413, `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`),
  ...chunked('an endless trailer', 431, `2\r\n{}\r\n0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`),
  {
    name: 'chunked in HTTP/1.0',
    statuses: [400],
    bytes: (edge) =>
      `${head(edge, posts[0], json, 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0')}2\r\n{}\r\n0\r\n\r\n`,
  },
  {
    name: 'a request in the body of a GET',
    statuses: [200],
    bytes: (edge) =>
      head(edge, 'GET /backend/info', 'Connection: close', `Content-Length: ${smuggled(edge).length}`) + smuggled(edge),
  },
  {
    name: 'a request in the body of an unauthenticated one',
    statuses: [401],
    bytes: (edge) => bytesOf(edge.host, { method: 'POST', path: '/admin/tokens', body: smuggled(edge) }),
  },
  {
    name: 'a request behind a body that is too large',
    statuses: [413],
    bytes: (edge) => head(edge, posts[1], json, `Content-Length: ${40 * 2 ** 20}`) + smuggled(edge).repeat(100),
  },
  {
    name: 'a hundred requests at once',
    statuses: Array<number>(100).fill(200),
    bytes: (edge) => head(edge, 'GET /backend/info').repeat(99) + head(edge, 'GET /backend/info', 'Connection: close'),
  },
  {
    name: 'garbage behind a request',
    statuses: [200, 400],
    bytes: (edge) => `${head(edge, 'GET /backend/info')}\u0000\u0001 nonsense\r\n\r\n`,
  },
  {
    name: 'a broken body behind a request',
    statuses: [200, 400],
    bytes: (edge) =>
      `${head(edge, 'GET /backend/info')}${head(edge, posts[0], json, 'Transfer-Encoding: chunked')}zz\r\n`,
  },
];

/** Headers and request lines that are ambiguous, or that end where they must not. */
export const headerAttacks: readonly Attack[] = [
  request('two hosts', 400, { path: '/backend/info', headers: ['Host: evil.example'] }),
  request('two credentials', 400, { path: '/backend/info', headers: ['Authorization: Bearer other'] }),
  request('two keys', 400, { path: '/llm/v1/models', headers: ['x-api-key: a', 'x-api-key: b'] }),
  request('two content types', 400, { path: '/backend/info', headers: [json, 'Content-Type: text/plain'] }),
  request('a bare carriage return', 400, { path: '/backend/info', headers: ['X: a\rAuthorization: x'] }),
  request('a bare line feed', 400, { path: '/backend/info', headers: ['X: a\nAuthorization: x'] }),
  request('NUL in a value', 400, { path: '/llm/v1/models', headers: ['X: a\u0000b'] }),
  request('DEL in a value', 400, { path: '/llm/v1/models', headers: ['X: a\u007fb'] }),
  request('an escape sequence in a value', 400, { path: '/llm/v1/models', headers: ['X: \u001b[31m'] }),
  request('NUL in a name', 400, { path: '/backend/info', headers: ['X\u0000Y: a'] }),
  request('no name', 400, { path: '/backend/info', headers: [': a'] }),
  request('a name in another alphabet', 400, { path: '/backend/info', headers: ['Ñame: a'] }),
  request('2,000 headers', 431, { path: '/backend/info', headers: Array<string>(2000).fill('X-A: aaaa') }),
  request('an escape sequence in the path', 400, { path: '/backend/\u001b[2J' }),
  request('a new line in the path', 400, { path: '/backend/info\nX: y' }),
  request('C1 controls in the path', 400, { path: '/backend/\u009b31m\u0085' }),
  request('encoded line ends in the path', 404, { path: '/backend/x%0d%0aSet-Cookie:%20x=1' }),
  request('encoded line ends in the query', 200, { path: '/backend/conversations?search=%0d%0aSet-Cookie:%20x=1' }),
  request('an encoded log entry', 404, { path: '/backend/%22%7d%0a%7b%22level%22:60,%22msg%22:%22forged%22%7d' }),
  request('an encoded terminal escape sequence', 404, { path: '/backend/%1b%5b2J%9b31m' }),
  request('another method by header', 405, {
    method: 'POST',
    path: '/backend/info',
    headers: ['X-HTTP-Method-Override: GET', 'X-Method-Override: GET'],
    body: '',
  }),
  request('another path by header', 404, {
    path: '/nothing',
    headers: ['X-Original-URL: /admin/tokens', 'X-Rewrite-URL: /admin/tokens', 'X-Forwarded-Prefix: /admin'],
  }),
  request('an unknown method', 400, { method: 'COW', path: '/backend/info' }),
  request('a method in lower case', 400, { method: 'get', path: '/backend/info' }),
  request('TRACE', 405, { method: 'TRACE', path: '/backend/info' }),
  request('HEAD for a stream', 405, { method: 'HEAD', path: '/backend/events' }),
  request('OPTIONS for everything', 400, { method: 'OPTIONS', path: '*' }),
  request('an unknown expectation', 417, { path: '/backend/info', headers: ['Expect: a miracle'] }),
  { name: 'no host', statuses: [400], bytes: () => 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n' },
  { name: 'HTTP/0.9', statuses: [400], bytes: () => 'GET /healthz\r\n\r\n' },
  { name: 'HTTP/1.2', statuses: [400], bytes: (edge) => head(edge, 'GET /backend/info').replace('/1.1', '/1.2') },
  { name: 'HTTP/2.0', statuses: [400], bytes: (edge) => head(edge, 'GET /backend/info').replace('/1.1', '/2.0') },
  { name: 'the preface of HTTP/2', statuses: [400], bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'a tunnel', statuses: [], bytes: (edge) => head(edge, 'CONNECT 127.0.0.1:22') },
];
