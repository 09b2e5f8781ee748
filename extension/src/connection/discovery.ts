import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { Client } from './client.ts';
import type { ReachedServer } from './source.ts';

/** Maximum size of the discovery file, in bytes. A valid file is far smaller. */
const maxBytes = 4096;

/** A running server that matches its discovery file. */
export interface FoundServer extends ReachedServer {
  readonly discovery: Discovery;
}

/**
 * The result of looking for a server. `hangs` is the id of a process whose port accepts connections but does not
 * respond.
 */
export type Finding = { readonly found: FoundServer } | { readonly found: null; readonly hangs?: number };

/**
 * Reads the discovery file. Returns null unless the file is complete, is owned by this user, is not accessible to
 * others, and names a living process of this user.
 */
export async function readDiscovery(dataDir: string): Promise<Discovery | null> {
  try {
    await using file = await open(join(dataDir, discoveryFile), 'r');
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > maxBytes || !isPrivate(stat)) return null;
    const checked = Discovery.safeParse(JSON.parse(await file.readFile('utf8')));
    return checked.success && isAlive(checked.data.pid) ? checked.data : null;
  } catch {
    return null;
  }
}

function isPrivate(stat: { readonly mode: number; readonly uid: number }): boolean {
  // Windows has no file modes: the folder is protected by its place in the user's profile.
  if (!process.getuid) return true;
  return stat.uid === process.getuid() && (stat.mode & 0o077) === 0;
}

/** Returns whether the process exists and belongs to this user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Returns the endpoint that a discovery file describes. */
export function endpointOf(discovery: Discovery): Endpoint {
  return { origin: `http://127.0.0.1:${discovery.port}`, secret: discovery.secret };
}

/** Reads the discovery file and queries the server. It is found only if process id, version and protocol match. */
export async function findServer(
  dataDir: string,
  problems: Problems,
  signal: AbortSignal,
  timeoutMs = 2000,
): Promise<Finding> {
  const discovery = await readDiscovery(dataDir);
  if (!discovery) return { found: null };
  try {
    const endpoint = endpointOf(discovery);
    const info = await new Client(endpoint, problems).call('server.info', {}, { signal, timeoutMs });
    const matches =
      info.pid === discovery.pid && info.version === discovery.version && info.protocol === discovery.protocol;
    return { found: matches ? { discovery, endpoint, info } : null };
  } catch (error) {
    signal.throwIfAborted();
    const hangs = error instanceof ProblemError && error.problem.code === 'server_timeout';
    return hangs ? { found: null, hangs: discovery.pid } : { found: null };
  }
}
