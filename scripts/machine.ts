import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.ts';

/** A program that tests need and that npm does not bring. */
export interface Need {
  readonly name: string;
  /** Package of Debian and Ubuntu. */
  readonly apt: string;
  readonly isThere: () => boolean;
}

export const needs = {
  chromium: { name: 'Chromium', apt: 'chromium', isThere: () => findChromium() !== null },
  postgres: { name: 'PostgreSQL', apt: 'postgresql', isThere: () => findPostgres() !== null },
  python: { name: 'Python', apt: 'python3', isThere: () => onPath('python3') !== null },
} satisfies Record<string, Need>;
export type NeedName = keyof typeof needs;

/** Path of Chromium or Chrome: `DEVLM_CHROMIUM`, the PATH, or where the system keeps applications. */
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

/** Folder with `initdb` and `pg_ctl`. Debian keeps them off the PATH. */
export function findPostgres(): string | null {
  const found = onPath('initdb');
  if (found) return join(found, '..');
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

/** The first of the programs that is on the PATH. */
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
 * Installs what is missing from the distribution when this is root on Debian or Ubuntu. Answers
 * what is still missing, each with the command that gets it.
 */
export async function provide(wanted: readonly NeedName[]): Promise<{ name: NeedName; command: string }[]> {
  const missing = wanted.filter((name) => !needs[name].isThere());
  if (missing.length === 0) return [];
  const packages = missing.map((name) => needs[name].apt);
  if (isDebian() && process.getuid?.() === 0) {
    console.log(`Installing ${packages.join(', ')} with apt-get (once) ...`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = ['install', '-y', '-q', '--no-install-recommends', ...packages];
    let { code, output } = await run('apt-get', install, { env });
    if (code !== 0) {
      await run('apt-get', ['update', '-q'], { env });
      ({ code, output } = await run('apt-get', install, { env }));
    }
    if (code !== 0) console.error(output.slice(-2000));
  }
  return missing
    .filter((name) => !needs[name].isThere())
    .map((name) => ({ name, command: installCommand(needs[name]) }));
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
