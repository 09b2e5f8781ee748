// Runs `scripts/<command>.ts` (or `bench/run.ts`) on the pinned Node. First installs the locked packages if they are
// missing or differ from the lock file. Plain JavaScript, so that it runs on Node 20 or later with nothing installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const windows = process.platform === 'win32';
const bin = join(root, 'node_modules', '.bin');
const pinnedNode = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');

const [command, ...rest] = process.argv.slice(2);
const script = join(root, command === 'bench' ? 'bench/run.ts' : `scripts/${command}.ts`);

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`DevLM needs Node 20 or later; this is ${process.version}. Get a newer one from https://nodejs.org.`);
}
if (!command || !existsSync(script)) fail(`Usage: node scripts/bootstrap.mjs COMMAND. There is no ${script}.`);
if (!isInstalled()) install();

const child = spawn(pinnedNode, [script, ...rest], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) =>
  fail(`The pinned Node did not start (${error.message}). Remove node_modules and try again.`),
);
child.on('exit', (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exitCode = code ?? 1;
  }
});

/** Compares npm's record of installed packages with the lock file. File times are meaningless after a checkout. */
function isInstalled() {
  if (!existsSync(pinnedNode)) return false;
  const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  try {
    const installed = packagesOf('node_modules/.package-lock.json');
    const isSame = (a, b) => a?.version === b?.version && a?.integrity === b?.integrity;
    return Object.entries(packagesOf('package-lock.json')).every(
      ([path, locked]) =>
        path === '' || isSame(installed[path], locked) || (!(path in installed) && (locked.optional ?? false)),
    );
  } catch {
    return false;
  }
}

/**
 * Installs the locked packages. `.npmrc` disables all install scripts, for every version of npm; then the few on the
 * allow-list of package.json are run by name.
 */
function install() {
  const { allowScripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const allowed = Object.keys(allowScripts).filter((name) => allowScripts[name]);
  console.log('Installing the locked packages into node_modules/ (once; about 200 MB) ...');
  // Remove the repository's .bin from the PATH: npm must not run on the Node that it replaces.
  const PATH = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== bin);
  for (const args of [
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
    ['rebuild', '--ignore-scripts=false', '--loglevel=error', ...allowed],
  ]) {
    const env = { ...process.env, PATH: PATH.join(delimiter) };
    const { status, error } = spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: windows, env });
    if (status === 0) continue;
    const why = error ? `npm did not start: ${error.message}` : `npm ${args[0]} ended with code ${status}`;
    fail(`Installing failed (${why}). Check the network or proxy with "npm ping", then run the same command again.`);
  }
}

/** Prints a message and exits. @returns {never} */
function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
