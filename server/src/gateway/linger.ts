import type { ServerResponse } from 'node:http';

/** How long the rest of a body is taken and thrown away, milliseconds. */
const lingerMs = 5_000;

/**
 * Sends an answer, its headers being set, and ends it. Where the request is still under way its rest is read for a
 * moment first: who sends it would see a broken connection instead of the answer.
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
