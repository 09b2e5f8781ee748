import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.ts';

const isLinux = process.platform === 'linux';

/** A program that tests need and that npm does not install. */
export interface Need {
  readonly name: string;
  /** Name of the Debian and Ubuntu package. */
  readonly apt: string;
  readonly isThere: () => boolean;
  /** Whether its absence only leaves out some tests. It is installed if possible, and never reported as missing. */
  readonly optional?: true;
}

/** The programs that tests need. */
export const needs = {
  bubblewrap: { name: 'bubblewrap', apt: 'bubblewrap', isThere: () => !isLinux || onPath('bwrap') !== null },
  chromium: { name: 'Chromium', apt: 'chromium', isThere: () => findChromium() !== null },
  docker: { name: 'Docker', apt: 'docker.io', isThere: () => findDocker() !== null },
  gvisor: { name: 'gVisor', apt: 'runsc', isThere: () => onPath('runsc') !== null, optional: true },
  postgres: { name: 'PostgreSQL', apt: 'postgresql', isThere: () => findPostgres() !== null },
  python: { name: 'Python', apt: 'python3', isThere: () => onPath('python3') !== null },
  redis: { name: 'Redis', apt: 'redis', isThere: () => onPath('redis-server') !== null },
} satisfies Record<string, Need>;
/** Key of a program in `needs`. */
export type NeedName = keyof typeof needs;

/** Returns the path of Chromium or Chrome: from `DEVLM_CHROMIUM`, the PATH, or the system's applications folder. */
export function findChromium(): string | null {
  const fixed = [
    process.env['DEVLM_CHROMIUM'],
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  ].find((path) => path && existsSync(path));
  if (process.env['DEVLM_CHROMIUM']) return fixed === process.env['DEVLM_CHROMIUM'] ? fixed : null;
  return onPath('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ?? fixed ?? null;
}

/** Returns the folder with `initdb` and `pg_ctl`, which Debian does not put on the PATH. */
export function findPostgres(): string | null {
  const found = onPath('initdb');
  if (found) return join(found, '..');
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

/**
 * Returns the Docker engine for tests: the one that `DEVLM_TEST_DOCKER_HOST` or `DOCKER_HOST` names, else the program to
 * start a private engine with, else the engine at the default socket if this user may access it.
 */
export function findDocker(): { host: string; program?: never } | { host?: never; program: string } | null {
  const given = process.env['DEVLM_TEST_DOCKER_HOST'] || process.env['DOCKER_HOST'];
  if (given) return { host: given };
  const program = isLinux && process.getuid?.() === 0 ? onPath('dockerd') : null;
  if (program) return { program };
  const socket = '/var/run/docker.sock';
  return isAccessible(socket) ? { host: `unix://${socket}` } : null;
}

/** Returns the path of the first of the programs that is on the PATH; null if there is none. */
export function onPath(...names: readonly string[]): string | null {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  for (const name of names) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = endings
        .map((ending) => join(folder, name + ending))
        .find((file) => folder !== '' && existsSync(file));
      if (path) return path;
    }
  }
  return null;
}

/**
 * Installs missing programs from the distribution if this process is root on Debian or Ubuntu. Returns those that are
 * still missing, each with the command that installs it.
 */
export async function provide(wanted: readonly NeedName[]): Promise<{ name: NeedName; command: string }[]> {
  const missing = wanted.filter((name) => !needs[name].isThere());
  if (missing.length === 0) return [];
  if (isDebian() && process.getuid?.() === 0) {
    // Install optional programs separately, so that a distribution that lacks one still gets the others.
    await install(missing.filter((name) => !isOptional(needs[name])));
    await install(missing.filter((name) => isOptional(needs[name])));
  }
  return missing
    .filter((name) => !needs[name].isThere() && !isOptional(needs[name]))
    .map((name) => ({ name, command: installCommand(needs[name]) }));
}

async function install(names: readonly NeedName[]): Promise<void> {
  if (names.length === 0) return;
  const packages = names.map((name) => needs[name].apt);
  console.error(`Installing ${packages.join(', ')} with apt-get (once) ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const args = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  let { code, output } = await run('apt-get', args, { env });
  if (code !== 0) {
    await run('apt-get', ['update', '-q'], { env });
    ({ code, output } = await run('apt-get', args, { env }));
  }
  if (code !== 0) console.error(output.slice(-2000));
}

function isOptional(need: Need): boolean {
  return need.optional === true;
}

function isAccessible(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function installCommand({ name, apt }: Need): string {
  if (isDebian()) return `sudo apt-get install ${apt}`;
  if (process.platform === 'darwin') return `brew install ${apt}`;
  return `install ${name} and put it on the PATH`;
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}
