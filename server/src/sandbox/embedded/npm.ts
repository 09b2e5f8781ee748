import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Npm } from './install.ts';
import { findProgram } from './wall.ts';

/** Matches variables that are not passed to npm. npm's own variables are passed, even if they hold secrets. */
const notForNpm = /^(DEVLM_|ANTHROPIC_|ELECTRON_|VSCODE_|NODE_OPTIONS$)/;

/**
 * Finds npm on this machine: the named one, or the first in PATH. Windows can run `npm.cmd` only through a shell, so
 * there the script behind it is run with Node.
 */
export async function findNpm(env: NodeJS.ProcessEnv, named?: string): Promise<Npm | null> {
  const npmEnv = Object.fromEntries(Object.entries(env).filter(([name]) => !notForNpm.test(name)));
  if (named !== undefined) return { file: named, args: [], env: npmEnv };
  const path = env['PATH'] ?? env['Path'] ?? '';
  if (process.platform !== 'win32') {
    const file = await findProgram('npm', path);
    return file ? { file, args: [], env: npmEnv } : null;
  }
  const script = await findProgram('npm.cmd', path);
  if (!script) return null;
  const folder = dirname(script);
  const cli = join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const node = (await exists(join(folder, 'node.exe')))
    ? join(folder, 'node.exe')
    : await findProgram('node.exe', path);
  return node && (await exists(cli)) ? { file: node, args: [cli], env: npmEnv } : null;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
