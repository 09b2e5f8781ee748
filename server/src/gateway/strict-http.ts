import type { IncomingMessage } from 'node:http';
import type { Guard } from './guard.ts';
import { httpProblem } from './problems.ts';

/** Headers that must not be repeated: Node takes the first value, a proxy in front of it may take the last. */
const singleHeaders = new Set(['host', 'authorization', 'x-api-key', 'content-type', 'transfer-encoding']);

/**
 * Wraps a guard so that it refuses requests that HTTP servers may interpret differently
 * (https://www.rfc-editor.org/rfc/rfc9112#section-11.2). Node's parser has already refused what is not HTTP.
 * @throws ProblemError `bad_request`
 */
export function strictly(guard: Guard): Guard {
  return (request) => {
    const ambiguous = ambiguityOf(request);
    if (ambiguous !== null) throw httpProblem('bad_request', ambiguous);
    return guard(request);
  };
}

function ambiguityOf({ httpVersion, url = '', headers, rawHeaders }: IncomingMessage): string | null {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'The HTTP version is not supported. Use HTTP/1.1.';
  // A URL with a host, the form that proxies receive, could bypass checks of the path.
  if (!url.startsWith('/') || /[#\\]/.test(url)) return 'The path must start with / and must not contain # or \\.';
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0'))
    return 'The transfer encoding is not supported. Use chunked.';
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (!singleHeaders.has(name)) continue;
    if (seen.has(name)) return `The request has more than one ${name} header.`;
    seen.add(name);
  }
  return null;
}
