import type { IncomingHttpHeaders } from 'node:http';

/** Of one connection alone, about who sends, or for this server: they do not belong to the next hop. */
const notForwarded = new Set(
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade expect host authorization x-api-key cookie set-cookie accept-encoding content-length x-forwarded-for x-forwarded-host x-forwarded-proto forwarded x-real-ip x-devlm-priority x-devlm-conversation x-devlm-cache'.split(
    ' ',
  ),
);

/** What goes on to the provider. */
export function keptHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  // What the sender of a message has named as of its connection alone.
  const dropped = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const kept: IncomingHttpHeaders = {};
  for (const name of Object.keys(headers))
    if (!notForwarded.has(name) && !dropped.includes(name)) kept[name] = headers[name];
  return kept;
}

/** What comes back from it. */
export function keptAnswer(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = keptHeaders(headers);
  const length = headers['content-length'];
  if (length !== undefined) kept['content-length'] = length;
  return kept;
}
