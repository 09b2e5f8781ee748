import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Npm } from './install.ts';
import { findProgram } from './wall.ts';

/** What the person's npm has no use for. Its own configuration may well hold secrets: those are its own. */
const notForNpm = /^(DEVLM_|ANTHROPIC_|ELECTRON_|VSCODE_|NODE_OPTIONS$)/;

/**
 * The npm of this machine: the named one, or the first on the PATH. Windows starts its `npm.cmd` through
 * a shell only, so there the program behind it is started.
 */
export async function findNpm(env: NodeJS.ProcessEnv, named?: string): Promise<Npm | null> {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !notForNpm.test(name)));
  if (named !== undefined) return { file: named, args: [], env: kept };
  const path = env['PATH'] ?? env['Path'] ?? '';
  if (process.platform !== 'win32') {
    const file = await findProgram('npm', path);
    return file ? { file, args: [], env: kept } : null;
  }
  const script = await findProgram('npm.cmd', path);
  if (!script) return null;
  const folder = dirname(script);
  const cli = join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const node = (await isThere(join(folder, 'node.exe')))
    ? join(folder, 'node.exe')
    : await findProgram('node.exe', path);
  return node && (await isThere(cli)) ? { file: node, args: [cli], env: kept } : null;
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
