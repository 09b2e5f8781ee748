import * as z from 'zod';

/** Format of a JWT: three base64url parts. The server's tokens have about 600 characters. */
const Token = z
  .string()
  .max(4096)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/);

/** Maximum length of a typed address, in UTF-16 code units. */
const addressChars = 500;

/** Returns the token without surrounding space and a `Bearer` prefix, or null if the text is not a token. */
export function parseToken(text: string): string | null {
  return Token.safeParse(text.trim().replace(/^Bearer /, '')).data ?? null;
}

/** Returns the origin of an address that the user typed, or null if it is invalid. The default scheme is https. */
export function parseAddress(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > addressChars || /\s/.test(trimmed)) return null;
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)
    ? trimmed
    : `${isLoopback(`http://${trimmed}`) ? 'http' : 'https'}://${trimmed}`;
  if (!URL.canParse(full)) return null;
  const { protocol, username, password, pathname, search, hash, origin } = new URL(full);
  const isOriginOnly = username + password + search + hash === '' && pathname === '/';
  return isOriginOnly && (protocol === 'https:' || protocol === 'http:') ? origin : null;
}

/** Returns whether others on the network can read the traffic, including the token. */
export function isOpenToOthers(origin: string): boolean {
  return origin.startsWith('http:') && !isLoopback(origin);
}

/** Returns the host name for display, with the port if it is not the default one. */
export function hostOf(origin: string): string {
  return new URL(origin).host;
}

/** The contents of a link that connects the editor to a server. */
export interface ConnectLink {
  readonly origin: string;
  /** Null if the user has to enter it. */
  readonly token: string | null;
}

/** Parses `vscode://devlm.devlm/connect?server=https://devlm.example.com&token=...`. Returns null if it is invalid. */
export function parseConnectLink(path: string, query: string): ConnectLink | null {
  if (path !== '/connect') return null;
  const parameters = new URLSearchParams(query);
  const origin = parseAddress(parameters.get('server') ?? '');
  const tokenText = parameters.get('token');
  const token = tokenText === null ? null : parseToken(tokenText);
  if (origin === null || (tokenText !== null && token === null)) return null;
  return { origin, token };
}

function isLoopback(address: string): boolean {
  if (!URL.canParse(address)) return false;
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname);
}
