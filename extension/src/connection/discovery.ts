import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { Client } from './client.ts';
import type { Reached } from './source.ts';

/** Far above what the file needs. */
const maxBytes = 4096;

/** A server that answered as its discovery file says. */
export interface FoundServer extends Reached {
  readonly discovery: Discovery;
}

/** `hangs`: its process lives and the port takes connections, but no answer comes. */
export type Finding = { readonly found: FoundServer } | { readonly found: null; readonly hangs?: number };

/**
 * The discovery file, or null when there is none that can be trusted: it must be whole, belong
 * to this user, be closed to others, and name a living process of this user.
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
  // Windows has no modes: there the folder's place in the user's profile protects it.
  if (!process.getuid) return true;
  return stat.uid === process.getuid() && (stat.mode & 0o077) === 0;
}

/** Whether the process exists and is this user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function endpointOf(discovery: Discovery): Endpoint {
  return { origin: `http://127.0.0.1:${discovery.port}`, secret: discovery.secret };
}

/** Reads the discovery file and asks the server behind it who it is. Only a full match is a server. */
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
