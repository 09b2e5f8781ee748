import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';

/** Watches what a program in a sandbox must neither reach nor change. */
export interface HostWatch extends AsyncDisposable {
  /** A file with a secret in it. */
  readonly canary: string;
  /** A port of this machine on which a listener counts who comes. */
  readonly port: number;
  /** Fails where this machine is not as it was, or somebody came. */
  check(): void;
  /** What no output, message or artifact may hold. */
  readonly secret: string;
}

/** Settings of the machine that a program with too many rights could change. */
const settings = [
  ...['core_pattern', 'sysrq', 'modprobe', 'hostname', 'pid_max'].map((name) => `/proc/sys/kernel/${name}`),
  ...['/proc/sys/net/ipv4/ip_forward', '/proc/sys/vm/overcommit_memory', '/proc/swaps', '/proc/modules'],
  ...['/etc/passwd', '/etc/hosts', '/etc/ld.so.cache', '/etc/crontab'],
];
const marks = [
  '/devlm*',
  '/etc/devlm*',
  '/root/devlm*',
  '/usr/bin/devlm*',
  '/var/tmp/devlm-escaped*',
  '/tmp/devlm-escaped*',
];

export async function watchHost(): Promise<HostWatch> {
  // Not below the system's temporary folder: that is the first place that a sandbox has its own of.
  const folder = mkdtempSync('/var/tmp/canary-');
  const canary = join(folder, 'canary');
  const secret = `canary-${randomBytes(12).toString('hex')}`;
  writeFileSync(canary, secret);
  process.env['DEVLM_CANARY_SECRET'] = secret;
  let visitors = 0;
  const visited = (socket: { destroy(): void; on(event: 'error', hear: () => void): unknown }) => {
    visitors++;
    socket.on('error', () => {});
    socket.destroy();
  };
  const tcp = await listen(visited, { port: 0, host: '::' });
  const address = tcp.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const abstract = process.platform === 'linux' ? await listen(visited, { path: `\0devlm-canary-${port}` }) : null;
  const before = look(folder);
  return {
    canary,
    port,
    secret,
    check() {
      expect(look(folder)).toEqual(before);
      expect(readFileSync(canary, 'utf8')).toBe(secret);
      expect({ visitors }).toEqual({ visitors: 0 });
    },
    async [Symbol.asyncDispose]() {
      delete process.env['DEVLM_CANARY_SECRET'];
      tcp.close();
      abstract?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Processes that this one has started, and theirs, with what they run. */
export function descendants(of = process.pid): string[] {
  const parents = new Map<number, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readSafely(`/proc/${pid}/stat`);
    parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
  }
  const below = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && parent > 0 && (parent === of || below(parent));
  };
  return [...parents.keys()]
    .filter(below)
    .map((pid) => `${pid} ${readSafely(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
}

function look(folder: string): Record<string, unknown> {
  const stat = statSync(join(folder, 'canary'));
  // A Docker engine mounts for each of its containers, below its own folder.
  const mounts = readSafely('/proc/self/mounts')
    .split('\n')
    .filter((line) => !/docker/.test(line));
  return {
    canary: [stat.mode, stat.uid, stat.size, stat.mtimeMs, stat.nlink, readdirSync(folder)],
    marks: marks.flatMap((pattern) => globSync(pattern)),
    mounts,
    cgroups: existsSync('/sys/fs/cgroup/devlm'),
    ...Object.fromEntries(settings.map((path) => [path, readSafely(path)])),
  };
}

function readSafely(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function listen(
  visited: (socket: { destroy(): void; on(event: 'error', hear: () => void): unknown }) => void,
  where: { port: number; host: string } | { path: string },
): Promise<Server> {
  const server = createServer(visited);
  server.listen(where);
  await once(server, 'listening');
  return server.unref();
}
