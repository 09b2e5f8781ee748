import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';

/** Watch over files, settings and ports that a program in a sandbox must neither reach nor change. */
export interface HostWatch extends AsyncDisposable {
  /** Path of a file that contains the secret. */
  readonly canary: string;
  /** Port of this machine on which a listener counts connections. */
  readonly port: number;
  /** Fails the test if this machine has changed or the listener had a connection. */
  check(): void;
  /** Secret that no output, message or artifact may contain. */
  readonly secret: string;
}

/** Settings of the machine that a program with too many permissions could change. */
const settings = [
  ...['core_pattern', 'sysrq', 'modprobe', 'hostname', 'pid_max'].map((name) => `/proc/sys/kernel/${name}`),
  ...['/proc/sys/net/ipv4/ip_forward', '/proc/sys/vm/overcommit_memory', '/proc/swaps', '/proc/modules'],
  ...['/etc/passwd', '/etc/hosts', '/etc/ld.so.cache', '/etc/crontab'],
];
/** Patterns of files that an escaped attack program creates. */
const marks = [
  '/devlm*',
  '/etc/devlm*',
  '/root/devlm*',
  '/usr/bin/devlm*',
  '/var/tmp/devlm-escaped*',
  '/tmp/devlm-escaped*',
];

/** Starts to watch this machine. */
export async function watchHost(): Promise<HostWatch> {
  // Not below /tmp, because most sandboxes have a /tmp of their own.
  const folder = mkdtempSync('/var/tmp/canary-');
  const canary = join(folder, 'canary');
  const secret = `canary-${randomBytes(12).toString('hex')}`;
  writeFileSync(canary, secret);
  process.env['DEVLM_CANARY_SECRET'] = secret;
  let connections = 0;
  const onConnection = (socket: { destroy(): void; on(event: 'error', listener: () => void): unknown }) => {
    connections++;
    socket.on('error', () => {});
    socket.destroy();
  };
  const tcp = await listen(onConnection, { port: 0, host: '::' });
  const address = tcp.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const abstract = process.platform === 'linux' ? await listen(onConnection, { path: `\0devlm-canary-${port}` }) : null;
  const before = readState(folder);
  return {
    canary,
    port,
    secret,
    check() {
      expect(readState(folder)).toEqual(before);
      expect(readFileSync(canary, 'utf8')).toBe(secret);
      expect({ connections }).toEqual({ connections: 0 });
    },
    async [Symbol.asyncDispose]() {
      delete process.env['DEVLM_CANARY_SECRET'];
      tcp.close();
      abstract?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the descendants of a process with their command lines. */
export function descendants(of = process.pid): string[] {
  const parents = new Map<number, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readSafely(`/proc/${pid}/stat`);
    parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
  }
  const isDescendant = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && parent > 0 && (parent === of || isDescendant(parent));
  };
  return [...parents.keys()]
    .filter(isDescendant)
    .map((pid) => `${pid} ${readSafely(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
}

function readState(folder: string): Record<string, unknown> {
  const stat = statSync(join(folder, 'canary'));
  // Ignores the mounts of a Docker engine for its containers.
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
  onConnection: (socket: { destroy(): void; on(event: 'error', listener: () => void): unknown }) => void,
  where: { port: number; host: string } | { path: string },
): Promise<Server> {
  const server = createServer(onConnection);
  server.listen(where);
  await once(server, 'listening');
  return server.unref();
}
