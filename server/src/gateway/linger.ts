import type { ServerResponse } from 'node:http';

/** Maximum time to read and discard the rest of a request body, in milliseconds. */
const lingerMs = 5_000;

/**
 * Sends a response whose headers are set. If the request is still being received, its rest is read and discarded first:
 * otherwise the client might see a broken connection instead of the response.
 */
export function endAfterRequest(response: ServerResponse, body: string): void {
  const { req: request } = response;
  if (request.complete) return void response.end(body);
  response.setHeader('Connection', 'close');
  response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, lingerMs);
  request.once('end', end);
  request.once('close', end);
  request.resume();
}
