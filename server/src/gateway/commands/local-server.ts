import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { type RouteName, type RouteOutput, routes } from '@devlm/protocol/routes.ts';

/*
 * Access of `devlm` commands to the running server of a data folder.
 */

/** Returns the discovery record of a data folder; null if no server is running there. */
export function discoveryOf(dataDir: string): Discovery | null {
  try {
    const discovery = Discovery.parse(JSON.parse(readFileSync(join(dataDir, discoveryFile), 'utf8')));
    // Throws if there is no such process: a killed server leaves its file behind.
    process.kill(discovery.pid, 0);
    return discovery;
  } catch {
    return null;
  }
}

/** Returns a listen address as the host of a URL; loopback for the wildcard address. */
export function hostInUrl(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}

/** Input of `callServer`. */
export interface CallInput {
  /** Value of the path parameter. */
  readonly id?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Timeout in milliseconds. Default: 10 seconds. */
  readonly timeoutMs?: number;
}

/** Calls a route of the running server. @throws ProblemError the server's error response */
export async function callServer<N extends RouteName>(
  { host, port, secret }: Discovery,
  name: N,
  { id = '', query, body, timeoutMs = 10_000 }: CallInput = {},
): Promise<RouteOutput<N>> {
  const { method, path, response: schema } = routes[name];
  const search = query ? `?${new URLSearchParams(query)}` : '';
  const response = await fetch(
    `http://${hostInUrl(host)}:${port}${path.replace(/:\w+/, encodeURIComponent(id))}${search}`,
    {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  const answer: unknown = await response.json();
  if (!response.ok) throw new ProblemError(ReceivedProblem.parse(answer));
  // The schema is that of the route, which TypeScript cannot infer for a generic name.
  return schema.parse(answer) as RouteOutput<N>;
}
