import type { IncomingHttpHeaders } from 'node:http';

/** Headers that are not forwarded: they concern one connection, identify the sender, or are meant for this server. */
const notForwarded = new Set(
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade expect host authorization x-api-key cookie set-cookie accept-encoding content-length x-forwarded-for x-forwarded-host x-forwarded-proto forwarded x-real-ip x-devlm-priority x-devlm-conversation x-devlm-cache'.split(
    ' ',
  ),
);

/** Returns the request headers that are forwarded to the provider. */
export function forwardedRequestHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  // Headers that the sender lists in `Connection` concern that connection only.
  const dropped = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const kept: IncomingHttpHeaders = {};
  for (const name of Object.keys(headers))
    if (!notForwarded.has(name) && !dropped.includes(name)) kept[name] = headers[name];
  return kept;
}

/** Returns the response headers that are forwarded to the client. */
export function forwardedResponseHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = forwardedRequestHeaders(headers);
  const length = headers['content-length'];
  if (length !== undefined) kept['content-length'] = length;
  return kept;
}
