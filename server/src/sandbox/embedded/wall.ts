import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** A file or folder of this machine that a child may read, and the path at which the child sees it. */
export interface Mount {
  readonly host: string;
  readonly inside: string;
}

/** A wall: the isolation of a child by the operating system. */
export interface Wall {
  readonly name: 'bubblewrap' | 'seatbelt' | 'none';
  readonly networkCut: boolean;
  /** Maps a path of this machine to the path that the child sees. */
  readonly mount: (host: string, inside: string) => Mount;
  /** Returns the command that starts `node args` in this isolation. */
  readonly command: (node: string, args: readonly string[], mounts: readonly Mount[]) => readonly string[];
}

/** Returns the strongest isolation that works on this machine, after a test run. */
export async function findWall(node: string, path: string, isEnabled = true): Promise<Wall> {
  const candidates: Wall[] = [];
  if (!isEnabled) return none;
  if (process.platform === 'linux') {
    const bwrap = await findProgram('bwrap', path);
    if (bwrap) candidates.push(bubblewrap(bwrap));
  }
  if (process.platform === 'darwin') candidates.push(seatbelt);
  for (const wall of candidates) {
    if (await works(wall, node)) return wall;
  }
  return none;
}

const none: Wall = {
  name: 'none',
  networkCut: false,
  mount: (host) => ({ host, inside: host }),
  command: (node, args) => guarded([node, ...args], 0),
};

/** Paths of shared libraries. They contain no user data. */
const libraries = [
  '/lib',
  '/lib32',
  '/lib64',
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/nix/store',
  '/etc/ld.so.cache',
];
const root = '/devlm';

function bubblewrap(bwrap: string): Wall {
  return {
    name: 'bubblewrap',
    networkCut: true,
    mount: (host, inside) => ({ host, inside: `${root}/${inside}` }),
    command(node, args, mounts) {
      // Electron needs the files beside its executable; plain Node is a single file.
      const electron = process.versions['electron'] !== undefined;
      const nodeInside = electron ? `${root}/electron/${node.slice(dirname(node).length + 1)}` : `${root}/node`;
      const nodeMount = electron ? [dirname(node), `${root}/electron`] : [node, nodeInside];
      return guarded(
        [
          bwrap,
          '--unshare-all',
          '--unshare-user-try',
          '--die-with-parent',
          '--new-session',
          ...['--cap-drop', 'ALL'],
          '--clearenv',
          ...(electron ? ['--setenv', 'ELECTRON_RUN_AS_NODE', '1'] : []),
          ...['--uid', '65534', '--gid', '65534', '--hostname', 'sandbox'],
          ...libraries.flatMap((path) => ['--ro-bind-try', path, path]),
          ...['--ro-bind', ...nodeMount],
          ...mounts.flatMap(({ host, inside }) => ['--ro-bind', host, inside]),
          ...['--dev', '/dev', '--remount-ro', '/', '--chdir', '/'],
          nodeInside,
          ...args,
        ],
        memoryCeilingKb,
      );
    },
  };
}

/** Limit of writable memory, in KiB. V8 reserves most of it at its start; the rest bounds a runaway program. */
const memoryCeilingKb = 4 * 1024 * 1024;

const seatbelt: Wall = {
  name: 'seatbelt',
  networkCut: true,
  mount: (host) => ({ host, inside: host }),
  command: (node, args, mounts) =>
    guarded(['/usr/bin/sandbox-exec', '-p', seatbeltProfile(node, mounts), node, ...args], 0),
};

/** Returns a seatbelt profile that denies everything except reading the files of Node and the runtime. */
export function seatbeltProfile(node: string, mounts: readonly Mount[]): string {
  const quoted = (path: string) => `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const electron = process.versions['electron'] !== undefined;
  // Electron's helpers and frameworks are in the application bundle around it: X.app/Contents/MacOS/X.
  const program = electron ? dirname(dirname(node)) : node;
  const readable = ['/usr/lib', '/System', '/Library/Apple', '/private/var/db/dyld', '/opt/homebrew', '/usr/local']
    .concat(program, ...mounts.map(({ host }) => host))
    .map((path) => `(subpath ${quoted(path)})`);
  return [
    '(version 1)',
    '(deny default)',
    `(allow process-exec (literal ${quoted(node)}))`,
    '(deny process-fork)',
    '(allow signal (target self))',
    '(allow sysctl-read)',
    '(allow file-read-metadata)',
    '(allow file-map-executable)',
    `(allow file-read* (literal "/") (literal "/dev/urandom") (literal "/dev/null") ${readable.join(' ')})`,
    '(allow file-write-data (literal "/dev/null"))',
    '(deny network*)',
  ].join('\n');
}

/**
 * Returns a command that wraps a child in a shell on POSIX systems. The shell starts a guard in the background and
 * then execs the child. The guard reads file descriptor 3, which closes when the server dies for whatever reason, and
 * then kills the child.
 */
function guarded(command: readonly string[], memoryKb: number): readonly string[] {
  if (process.platform === 'win32') return command;
  const limits = `ulimit -c 0; ${memoryKb > 0 ? `ulimit -d ${memoryKb} 2>/dev/null; ` : ''}`;
  const guard = '(read -r word <&3; [ "$word" = done ] || kill -9 $$) </dev/null >/dev/null 2>&1 &';
  return ['/bin/sh', '-c', `${limits}${guard} exec "$@" 3<&-`, 'sh', ...command];
}

/** Ends the guard of a child that has exited. */
export function dismissGuard(child: ChildProcess): void {
  const lifeline = child.stdio[3] as Writable | null | undefined;
  lifeline?.write('done\n', () => lifeline.destroy());
}

/** Tests an isolation with a program that must be able to read one file and unable to read another. */
async function works(wall: Wall, node: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'devlm-wall-'));
  try {
    const open = join(folder, 'open');
    const secret = join(folder, 'secret');
    await writeFile(open, 'open');
    await writeFile(secret, 'secret');
    const mounts = [wall.mount(open, 'open')];
    const program = `const { existsSync, readFileSync } = require('node:fs');
      let seen = ''; try { seen = readFileSync(${JSON.stringify(secret)}, 'utf8'); } catch {}
      process.stdout.write(readFileSync(${JSON.stringify(mounts[0]?.inside)}, 'utf8') + seen);`;
    const [file = '', ...args] = wall.command(node, ['-e', program], mounts);
    const stdio = ['ignore', 'pipe', 'ignore', 'pipe'] as const;
    const child = spawn(file, args, { stdio: [...stdio], timeout: 10_000, killSignal: 'SIGKILL', env: childEnv() });
    child.on('error', () => {});
    child.on('exit', () => dismissGuard(child));
    return child.stdout ? (await text(child.stdout)) === 'open' : false;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns the whole environment of a child. */
export function childEnv(): Record<string, string> {
  return process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' };
}

/**
 * Finds an executable in the folders of a PATH.
 * @param path value of PATH
 * @returns the path of the executable, or null
 */
export async function findProgram(name: string, path: string): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}
