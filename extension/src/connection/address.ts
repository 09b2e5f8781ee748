import * as z from 'zod';

/** What a JWT looks like: three parts of base64url. Ours have some 600 characters. */
const Token = z
  .string()
  .max(4096)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/);

/** What may be typed before it is known to be an address. */
const addressChars = 500;

/** The token without what was copied around it; null where it cannot be one. */
export function parseToken(text: string): string | null {
  return Token.safeParse(text.trim().replace(/^Bearer /, '')).data ?? null;
}

/** An address as people type it, as an origin; null where it is none. Without a scheme it is https. */
export function parseAddress(text: string): string | null {
  const typed = text.trim();
  if (typed === '' || typed.length > addressChars || /\s/.test(typed)) return null;
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed)
    ? typed
    : `${isLoopback(`http://${typed}`) ? 'http' : 'https'}://${typed}`;
  if (!URL.canParse(full)) return null;
  const { protocol, username, password, pathname, search, hash, origin } = new URL(full);
  const bare = username + password + search + hash === '' && pathname === '/';
  return bare && (protocol === 'https:' || protocol === 'http:') ? origin : null;
}

/** Whoever is on the way can read what is said there, and the token. */
export function isOpenToOthers(origin: string): boolean {
  return origin.startsWith('http:') && !isLoopback(origin);
}

/** The host as people name it, with the port where it is not the usual one. */
export function hostOf(origin: string): string {
  return new URL(origin).host;
}

export interface ConnectLink {
  readonly origin: string;
  /** Null: the person is asked for it. */
  readonly token: string | null;
}

/** `vscode://devlm.devlm/connect?server=https://devlm.example.com&token=...`, in parts; null where it is none. */
export function parseConnectLink(path: string, query: string): ConnectLink | null {
  if (path !== '/connect') return null;
  const parameters = new URLSearchParams(query);
  const origin = parseAddress(parameters.get('server') ?? '');
  const text = parameters.get('token');
  const token = text === null ? null : parseToken(text);
  if (origin === null || (text !== null && token === null)) return null;
  return { origin, token };
}

function isLoopback(address: string): boolean {
  if (!URL.canParse(address)) return false;
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname);
}
