import { limits } from '@devlm/protocol/limits.ts';
import { type Attack, json, request } from './attack.ts';

const post = (name: string, status: number, path: string, body: string, method = 'POST') =>
  request(name, status, { method, path, headers: [json], body });
const deepArray = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const deepObject = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const list = (item: string, count: number) => `[${Array<string>(count).fill(item).join(',')}]`;
const keys = (count: number) => Array.from({ length: count }, (_, index) => `"k${index}":0`).join(',');

const turns = '/backend/conversations/none/turns';
const action = '/backend/actions/symbol_search';
const turn = (more: string) => `{"turnId":"t","parent":null,"text":"x",${more}}`;
const input = (value: string) => `{"projectId":null,"input":${value}}`;

/** JSON that is deeply nested, very wide, or parsed differently by another parser. */
export const jsonAttacks: readonly Attack[] = [
  post('four million brackets', 422, turns, deepArray(4_000_000)),
  post('a million nested objects', 422, turns, deepObject(1_000_000)),
  post('a deep tool input', 422, action, input(deepObject(100_000))),
  post('a deep tool input, just within the limit', 200, action, input(deepObject(198))),
  post('deep rules of a window', 422, '/backend/editor', `{"rules":{"user":${deepArray(100_000)},"workspace":null}}`),
  post('a deep answer of an editor', 422, '/backend/editor/requests/x', `{"ok":true,"value":${deepArray(1_000_000)}}`),
  post('a deep settings body', 422, '/backend/credential', deepObject(500_000), 'PUT'),
  post('brackets that are never closed', 422, turns, '['.repeat(8_000_000)),
  post('brackets in a text', 422, turns, `{"text":"${'['.repeat(300_000)}"}`),
  post('four million numbers', 422, turns, turn(`"attachments":${list('0', 3_900_000)}`)),
  post('two million attachments', 422, turns, turn(`"attachments":${list('{}', 2_600_000)}`)),
  post('half a million keys', 422, turns, `{${keys(500_000)}}`),
  post(
    'half a million variables',
    422,
    '/execute',
    `{"id":"x","language":"python","source":"1","env":{${keys(500_000)}}}`,
  ),
  post(
    'a hundred thousand variables',
    422,
    '/execute',
    `{"id":"x","language":"python","source":"1","env":{${keys(100_000)}}}`,
  ),
  post('four million scopes', 422, '/admin/tokens', `{"name":"x","days":1,"scopes":${list('"llm"', 1_200_000)}}`),
  post(
    'a number of eight million digits',
    422,
    '/admin/tokens',
    `{"name":"x","scopes":["llm"],"days":${'9'.repeat(8_000_000)}}`,
  ),
  post('a number that overflows', 422, '/admin/tokens', '{"name":"x","scopes":["llm"],"days":1e999}'),
  post('a number that is nearly whole', 422, '/admin/tokens', '{"name":"x","scopes":["llm"],"days":1.0000000001}'),
  post('a name of only spaces', 422, '/admin/tokens', '{"name":" \\u00a0\\u2003","scopes":["llm"],"days":1}'),
  post('fields by __proto__', 422, '/admin/tokens', '{"__proto__":{"name":"x","scopes":["admin"],"days":1}}'),
  post(
    'fields by constructor',
    422,
    '/admin/tokens',
    '{"constructor":{"prototype":{"name":"x","scopes":["admin"],"days":1}}}',
  ),
  post(
    '__proto__ nested twice',
    422,
    '/admin/tokens',
    '{"__proto__":{"__proto__":{"name":"x","days":1}},"scopes":["admin"]}',
  ),
  post(
    '__proto__ in an array',
    422,
    '/admin/tokens',
    '{"name":"x","days":1,"scopes":{"__proto__":["admin"],"length":1}}',
  ),
  post('__proto__ in a tool input', 200, action, input('{"__proto__":{"query":"x"}}')),
  post(
    '__proto__ in an attachment',
    422,
    turns,
    turn('"attachments":[{"__proto__":{"kind":"file","path":"a","text":"b"}}]'),
  ),
  post('a tool by the name of a property', 404, '/backend/actions/__proto__', input('{}')),
  post('a tool by the name of a method', 404, '/backend/actions/constructor', input('{}')),
  post('a language by the name of a method', 422, '/execute', '{"id":"x","language":"constructor","source":"1"}'),
  post('a key twice, the second one bad', 422, '/backend/conversations', '{"id":"good","id":"../bad"}'),
  post('a key twice, once escaped', 422, '/backend/conversations', '{"id":"good","\\u0069d":"../bad"}'),
  post('two documents', 400, '/backend/conversations', '{"id":"x"}{"id":"y"}'),
  post('JSON5', 400, '/backend/conversations', '{id:"x",/* */}'),
  post('NaN', 400, '/admin/tokens', '{"name":"x","scopes":["llm"],"days":NaN}'),
  post('a raw line end in a text', 400, '/backend/conversations', '{"id":"x","title":"a\nb"}'),
];

const bodyOf = (more: string) => `{"model":"claude-sonnet-5-5","max_tokens":5,${more}}`;
const message = '"messages":[{"role":"user","content":"x"}]';
const messages = (name: string, status: number, body: string, headers: readonly string[] = [json]) =>
  request(name, status, {
    method: 'POST',
    path: '/llm/v1/messages',
    headers: ['anthropic-version: 2023-06-01', ...headers],
    body,
  });

/** Bad calls of the Messages API that this server refuses itself, without a call to the provider. */
export const messagesAttacks: readonly Attack[] = [
  messages('no body', 400, ''),
  messages('no JSON', 400, 'model=claude'),
  messages('half of a body', 400, bodyOf(message).slice(0, -5)),
  messages('null', 400, 'null'),
  messages('a text', 400, '"claude-sonnet-5-5"'),
  messages('an array', 400, `[${bodyOf(message)}]`),
  messages('two documents', 400, bodyOf(message).repeat(2)),
  messages('no model', 400, `{"max_tokens":5,${message}}`),
  messages('a model that is a number', 400, `{"model":5,${message}}`),
  messages('a model that is empty', 400, `{"model":"",${message}}`),
  messages('a model that is an object', 400, `{"model":{"toString":"claude"},${message}}`),
  messages('a model of 100,000 characters', 400, `{"model":"${'a'.repeat(100_000)}",${message}}`),
  messages('a model by __proto__', 400, `{"__proto__":{"model":"claude-sonnet-5-5"},${message}}`),
  messages('a nested model', 400, `{"metadata":{"model":"claude-sonnet-5-5"},${message}}`),
  messages('a second model, bad', 400, bodyOf(`"model":null,${message}`)),
  messages('a second model, escaped and bad', 400, bodyOf(`"\\u006dodel":null,${message}`)),
  messages('a million keys', 400, `{${keys(1_000_000)},"model":"claude-sonnet-5-5"}`),
  messages('five million nested objects', 400, deepObject(5_000_000)),
  messages(
    'ten million brackets that are never closed',
    400,
    `{"model":"claude-sonnet-5-5","messages":${'['.repeat(10_000_000)}`,
  ),
  messages('a quote that is never closed', 400, `{"model":"claude-sonnet-5-5","a":"${'\\"'.repeat(10_000_000)}`),
  messages('thirty million spaces', 400, `{"model":"claude-sonnet-5-5"${' '.repeat(30_000_000)}`),
  messages('a byte order mark', 400, `\ufeff${bodyOf(message)}`),
  messages('a compressed body', 415, 'x', [json, 'Content-Encoding: gzip']),
  messages('a body compressed twice', 415, 'x', [json, 'Content-Encoding: gzip, br']),
  messages('a body over the limit', 413, 'x'.repeat(limits.messagesBodyBytes + 1)),
  request('the wrong method', 405, { path: '/llm/v1/messages' }),
  request('a wrong method that has a body', 405, {
    method: 'PUT',
    path: '/llm/v1/messages',
    headers: [json],
    body: bodyOf(message),
  }),
  request('HEAD', 405, { method: 'HEAD', path: '/llm/v1/models' }),
  request('batches, which would outlive the call', 404, {
    method: 'POST',
    path: '/llm/v1/messages/batches',
    headers: [json],
    body: '{}',
  }),
  request('files', 404, { path: '/llm/v1/files' }),
  request('the keys of the organization', 404, { path: '/llm/v1/organizations/api_keys' }),
  request('the old completions', 404, {
    method: 'POST',
    path: '/llm/v1/complete',
    headers: [json],
    body: bodyOf(message),
  }),
];

const long = 8_000;
const evil = `${'a'.repeat(long)}!`;
const text = (value: string) => JSON.stringify(value);

/** Texts on which a careless regular expression takes forever, for each field that an expression validates. */
export const patternAttacks: readonly Attack[] = [
  ...['conversations/', 'snippets/', 'blobs/', 'projects/'].map((folder) =>
    request(`an id below /backend/${folder}`, folder === 'projects/' ? 404 : 422, {
      path: `/backend/${folder}${evil}`,
    }),
  ),
  request('the id of a program', 422, { path: `/execute/${evil}` }),
  request('the id of a token', 422, { method: 'DELETE', path: `/admin/tokens/${evil}` }),
  request('the id of an instance', 422, { method: 'DELETE', path: `/admin/instances/${evil}` }),
  request('the number of an event', 422, {
    path: '/backend/conversations/x/events',
    headers: [`Last-Event-ID: ${'1'.repeat(long)}x`],
  }),
  request('a charset', 415, {
    method: 'POST',
    path: '/backend/conversations',
    headers: [`${json};${' charset='.repeat(900)}${' '.repeat(5_000)}x`],
    body: '{}',
  }),
  request('the Accept header', 404, { path: '/execute/none', headers: [`Accept: ${'text/event-strea '.repeat(800)}`] }),
  request('the Connection header', 405, { path: '/llm/v1/messages', headers: [`X-A: ${' ,'.repeat(7_000)}`] }),
  post('an id', 422, '/backend/conversations', `{"id":${text('a'.repeat(7_000_000))}}`),
  post('a key', 422, '/backend/credential', `{"apiKey":${text(evil)}}`, 'PUT'),
  post(
    'a base URL',
    422,
    '/backend/credential',
    `{"baseUrl":${text(`http://${'a.'.repeat(1_000)}`.repeat(3))}}`,
    'PUT',
  ),
  post(
    'a base URL of colons',
    422,
    '/backend/credential',
    `{"baseUrl":${text(`http://${':@'.repeat(1_000)}`)}}`,
    'PUT',
  ),
  post('the key of an instance', 422, '/admin/instances', `{"id":"x","apiKey":${text(`${'a'.repeat(7_000_000)} `)}}`),
  post('an instance', 422, '/admin/instances', `{"apiKey":"k","id":${text(`${'a-_'.repeat(2_000_000)}!`)}}`),
  post(
    'the name of a variable',
    422,
    '/execute',
    `{"id":"x","language":"python","source":"1","env":{${text(evil)}:"1"}}`,
  ),
  post(
    'the path of a file',
    422,
    '/execute',
    `{"id":"x","language":"python","files":[{"path":${text('../'.repeat(2_000_000))},"text":""}]}`,
  ),
  post(
    'an image that is nearly base64',
    422,
    turns,
    turn(`"attachments":[{"kind":"image","name":"a","mediaType":"image/png","data":"${'AAAA'.repeat(1_250_000)}*"}]`),
  ),
  post('an address of a page', 422, '/backend/pages', `{"url":${text(`http:${'/'.repeat(3_000_000)}`)}}`),
];
