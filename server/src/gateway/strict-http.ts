import type { IncomingMessage } from 'node:http';
import type { Guard } from './guard.ts';
import { httpProblem } from './problems.ts';

/** Of a second one nobody knows which counts: Node takes the first, a proxy before it perhaps the last. */
const singleHeaders = new Set(['host', 'authorization', 'x-api-key', 'content-type', 'transfer-encoding']);

/**
 * The guard, for requests only that every HTTP server reads in the same way
 * (https://www.rfc-editor.org/rfc/rfc9112#section-11.2). Node's parser has refused what is no HTTP at all.
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
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'Only HTTP/1.1 is spoken here.';
  // An address with a host, as proxies get it, would be another way round what is told by the path.
  if (!url.startsWith('/') || /[#\\]/.test(url)) return 'The path has to begin with a / and go without # and \\.';
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0'))
    return 'No other transfer encoding than chunked is known here.';
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!singleHeaders.has(name)) continue;
    if (seen.has(name)) return `There is more than one ${name} header.`;
    seen.add(name);
  }
  return null;
}
