import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import { Problem, ProblemError } from '@devlm/protocol/problem.ts';
import { type RouteName, type RouteOutput, routes } from '@devlm/protocol/routes.ts';

/*
 * How a command of `devlm` reaches the server that holds a data folder.
 */

/** The server of a data folder. Null: none runs there. */
export function discoveryOf(dataDir: string): Discovery | null {
  try {
    const discovery = Discovery.parse(JSON.parse(readFileSync(join(dataDir, discoveryFile), 'utf8')));
    // Throws where the process is gone; the file of a killed server stays behind.
    process.kill(discovery.pid, 0);
    return discovery;
  } catch {
    return null;
  }
}

/** As a URL has it, and where every address is meant the loopback one. */
export function hostInUrl(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}

export interface CallInput {
  /** Stands for the parameter of the path. */
  readonly id?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Milliseconds; default 10 s. */
  readonly timeoutMs?: number;
}

/** @throws ProblemError what the server answers */
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
  if (!response.ok) throw new ProblemError(Problem.parse(answer));
  // The schema is that of the route.
  return schema.parse(answer) as RouteOutput<N>;
}
