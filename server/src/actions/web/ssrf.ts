import { lookup } from 'node:dns/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { notPublic, privateName } from './addresses.ts';

/** Limits of a fetch: bytes of a body, both as sent and as unpacked, milliseconds in total, and number of redirects. */
export const fetchBounds = { bytes: 5_000_000, ms: 20_000, redirects: 5 } as const;

/** Ports that pages may be fetched from. */
const allowedPorts: ReadonlySet<number> = new Set([80, 443, 8080, 8443]);

/** Content types whose text can be shown to a model. */
const readableType =
  /^(text\/[\w.+-]+|application\/([\w.-]+\+)?(json|xml)|application\/(x?html|javascript|ecmascript|x-ndjson|yaml|x-yaml|toml|rtf|x-sh))$/;

/** How the guard reaches the network. Default: the resolver and network of this machine. */
export interface Network {
  /** Returns all addresses of a host name. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** Returns the real target of a connection to an address that passed the checks, such as the server of a test. */
  readonly dial?: (address: string, port: number) => { readonly host: string; readonly port: number };
}

/** Options of a guarded fetch. */
export interface GuardedFetch extends Network {
  readonly signal: AbortSignal;
  /** Called for every address that a redirect leads to, before anything is sent there. */
  readonly permitRedirect: (to: URL, from: URL) => boolean | Promise<boolean>;
  readonly userAgent?: string;
  /** Maximum size of the body. Default: `fetchBounds.bytes`. */
  readonly maxBytes?: number;
  /** Time limit of the whole fetch, in milliseconds. Default: `fetchBounds.ms`. */
  readonly timeoutMs?: number;
}

/** A page as it was received. */
export interface FetchedPage {
  /** The address after redirects. */
  readonly url: string;
  readonly status: number;
  /** The media type in lower case, without parameters. */
  readonly contentType: string;
  /** The declared character set, in lower case, or null. */
  readonly charset: string | null;
  readonly bytes: Buffer;
}

/** A checked URL with the address to connect to. No other address may be used. */
export interface FetchTarget {
  readonly url: URL;
  readonly address: string;
  readonly port: number;
}

/**
 * Checks the URL of a page as far as possible without resolving its host name.
 *
 * @throws ProblemError `fetch_refused`
 */
export function checkedAddress(text: string): URL {
  if (text.length > 8192) throw refused('this address', 'it is too long');
  // `URL` drops tabs and line ends and converts backslashes, so that the checked address would differ from the written
  // one.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\u0000-\u0020\u007f\\]/.test(text))
    throw refused('this address', 'it contains spaces, control characters or backslashes');
  if (!URL.canParse(text)) throw refused('this address', 'it is not a URL');
  const url = new URL(text);
  // Non-ASCII characters grow when they are encoded.
  if (url.href.length > 8192) throw refused('this address', 'it is too long');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refused(url.protocol, 'only http and https are supported');
  if (url.username !== '' || url.password !== '')
    throw refused(url.hostname, 'the address contains a user name or password');
  const port = portOf(url);
  if (!allowedPorts.has(port)) throw refused(url.host, `web pages are not served on port ${port}`);
  const host = bareHost(url);
  if (isIP(host)) requirePublic(host, host);
  else {
    const why = privateName(host);
    if (why !== null) throw refused(host, `it is ${why}`);
  }
  return url;
}

/**
 * Checks a URL and every address of its host.
 *
 * @throws ProblemError `fetch_refused`; `fetch_failed` if the host name has no address
 */
export async function checkedTarget(text: string, network: Network = {}): Promise<FetchTarget> {
  const url = checkedAddress(text);
  const port = portOf(url);
  const host = bareHost(url);
  if (isIP(host)) return { url, address: host, port };
  const addresses = await (network.resolve ?? resolveAll)(host.replace(/\.+$/, ''));
  const [first] = addresses.map((address) => requirePublic(address, host));
  if (first === undefined) throw failed(host, 'the host name has no address');
  return { url, address: first, port };
}

/**
 * Fetches a page without ever connecting to anything but a public address. Every hop is checked, and each connection
 * goes to the same address that was checked.
 *
 * @throws ProblemError `fetch_refused`, `fetch_too_large`, `fetch_timeout`, `fetch_unreadable`, `fetch_failed`;
 *   the signal's reason
 */
export async function guardedFetch(text: string, options: GuardedFetch): Promise<FetchedPage> {
  const deadline = AbortSignal.timeout(options.timeoutMs ?? fetchBounds.ms);
  const signal = AbortSignal.any([options.signal, deadline]);
  const maxBytes = options.maxBytes ?? fetchBounds.bytes;
  let next = text;
  let from: URL | null = null;
  try {
    for (let hop = 0; hop <= fetchBounds.redirects; hop++) {
      signal.throwIfAborted();
      const target = await untilAborted(checkedTarget(next, options), signal);
      const { url } = target;
      if (from?.protocol === 'https:' && url.protocol === 'http:') {
        throw refused(url.host, 'a redirect goes from https to http');
      }
      if (from && !(await untilAborted(options.permitRedirect(url, from), signal))) {
        throw refused(url.host, `a redirect from ${from.host} goes there, and the user has not allowed it`);
      }
      const response = await send(target, options, signal);
      try {
        const { statusCode: status = 0, headers } = response;
        if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) {
          return await pageOf(response, url, status, maxBytes, signal);
        }
        if (!URL.canParse(headers.location, url.href))
          throw failed(url.host, 'it redirects to an address that is not a URL');
        next = new URL(headers.location, url).href;
        from = url;
      } finally {
        response.destroy();
      }
    }
    throw refused(from?.host ?? 'this address', `it redirects more than ${fetchBounds.redirects} times`);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof ProblemError) throw error;
    if (deadline.aborted) {
      const ms = options.timeoutMs ?? fetchBounds.ms;
      throw fetchProblem('fetch_timeout', 504, 'Timed out', `The page did not arrive within ${ms / 1000} s.`);
    }
    throw failed(from?.host ?? next, error instanceof Error ? error.message : 'unknown error', error);
  }
}

const portOf = ({ port, protocol }: URL) => (port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port));
const bareHost = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, '');

async function resolveAll(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function requirePublic(address: string, host: string): string {
  const why = notPublic(address);
  if (why !== null) throw refused(host, `its address belongs to ${why}`);
  return address;
}

function send(target: FetchTarget, options: GuardedFetch, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, address, port } = target;
  const secure = url.protocol === 'https:';
  const place = options.dial?.(address, port) ?? { host: address, port };
  const name = bareHost(url).replace(/\.+$/, '');
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)({
      ...place,
      // A new agent does not reuse the connections of other agents or a proxy from the environment.
      agent: secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }),
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      // The certificate must match the host name, although the connection goes to the address.
      ...(secure && !isIP(name) ? { servername: name } : {}),
      headers: {
        host: url.host,
        'user-agent': options.userAgent ?? 'DevLM',
        accept: 'text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.8,*/*;q=0.1',
        'accept-encoding': 'gzip, deflate, br',
      },
      signal,
    });
    request.once('response', resolve);
    request.on('error', reject);
    request.end();
  });
}

async function pageOf(
  response: IncomingMessage,
  url: URL,
  status: number,
  maxBytes: number,
  signal: AbortSignal,
): Promise<FetchedPage> {
  const [type = '', ...parameters] = (response.headers['content-type'] ?? '').split(';').map((part) => part.trim());
  const contentType = type.toLowerCase();
  if (contentType !== '' && !readableType.test(contentType)) {
    const detail = `${url.host} answered with ${contentType.slice(0, 100)}, which is not text.`;
    throw fetchProblem('fetch_unreadable', 415, 'Not text', detail);
  }
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(url, maxBytes);
  const bytes = await bodyOf(response, url, maxBytes, signal);
  const charset = parameters.map((part) => /^charset="?([\w.:-]+)"?$/i.exec(part)?.[1]).find(Boolean) ?? null;
  return { url: url.href, status, contentType, charset: charset?.toLowerCase() ?? null, bytes };
}

/** Returns the unpacked body. Both the received and the unpacked bytes are limited while they stream. */
async function bodyOf(response: IncomingMessage, url: URL, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const encoding = (response.headers['content-encoding'] ?? '').trim().toLowerCase();
  const unpack = {
    '': null,
    identity: null,
    gzip: createGunzip,
    'x-gzip': createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
  }[encoding];
  if (unpack === undefined) throw failed(url.host, `its encoding "${encoding.slice(0, 50)}" is not supported`);
  const counted = Readable.from(bounded(response, url, maxBytes), { objectMode: false });
  const unpacked = unpack ? unpack() : null;
  const stop = () => {
    const reason: unknown = signal.reason;
    const error = reason instanceof Error ? reason : new Error('aborted');
    response.destroy(error);
    unpacked?.destroy(error);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (unpacked) {
      counted.on('error', (error) => unpacked.destroy(error));
      counted.pipe(unpacked);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of bounded(unpacked ?? counted, url, maxBytes)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    signal.removeEventListener('abort', stop);
    counted.destroy();
    unpacked?.destroy();
  }
}

async function* bounded(stream: AsyncIterable<Buffer>, url: URL, maxBytes: number): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of stream) {
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(url, maxBytes);
    yield chunk;
  }
}

const fetchProblem = (code: ErrorCode, status: number, title: string, detail: string, cause?: unknown) =>
  new ProblemError({ code, status, title, detail }, { cause });
const refused = (what: string, why: string) =>
  fetchProblem('fetch_refused', 403, 'Page not fetched', `DevLM does not fetch from ${what.slice(0, 200)}: ${why}.`);
const failed = (what: string, why: string, cause?: unknown) =>
  fetchProblem('fetch_failed', 502, 'Fetch failed', `Cannot fetch the page from ${what.slice(0, 200)}: ${why}.`, cause);
const tooLarge = (url: URL, bytes: number) =>
  fetchProblem('fetch_too_large', 413, 'Page too large', `The page from ${url.host} is larger than ${bytes} bytes.`);
