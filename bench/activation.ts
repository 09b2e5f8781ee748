import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import * as z from 'zod';
import { nodeOptions } from '../extension/src/connection/launcher.ts';
import { build, buildInHost, root } from '../scripts/build.ts';
import { mustRun, run } from '../scripts/run.ts';
import { runInHost } from '../test/support/vscode/browser.ts';

/*
 * Measures the cost of DevLM before it is used: activation inside the real extension host, sizes, and the start of the
 * companion server up to its first response. The peer is a Node process that does nothing.
 */

const hostRuns = 5;
const serverRuns = 10;
/** Time without requests after which the server's memory counts as idle, in milliseconds. */
const idleMs = 3000;

const print = (figure: string, value: number, unit: string, runs?: number) => {
  const rounded = Math.round(value * 100) / 100;
  console.log(JSON.stringify({ bench: 'activation', figure, value: rounded, unit, ...(runs ? { runs } : {}) }));
};
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const folder = await mkdtemp(join(tmpdir(), 'devlm-bench-'));
try {
  const vsix = join(folder, 'devlm.vsix');
  await mustRun(process.execPath, [join(root, 'scripts/package.ts'), vsix]);
  await build({ minify: true });
  await measureHost();
  print('vsix_mb', (await stat(vsix)).size / 1024 / 1024, 'MB');
  await measureServer();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measureHost(): Promise<void> {
  const bundle = await buildInHost('bench/activation/in-host.ts', join(folder, 'in-host.cjs'));
  const Times = z.object({ loadMs: z.number(), activateMs: z.number(), loadedKb: z.number() });
  const times: z.infer<typeof Times>[] = [];
  const extension = await dormant();
  for (let i = 0; i < hostRuns; i++) {
    const [result] = await runInHost(bundle, { workspace: join(root, 'samples/todo'), extension });
    if (result?.error) throw new Error(result.error);
    times.push(Times.parse(result?.value));
  }
  print('activate_ms', median(times.map(({ activateMs }) => activateMs)), 'ms', hostRuns);
  print('load_ms', median(times.map(({ loadMs }) => loadMs)), 'ms', hostRuns);
  // Counts only the files that activation loads. The rest is loaded on first use.
  print('extension_kb', median(times.map(({ loadedKb }) => loadedKb)), 'KB');
  print('extension_whole_kb', await wholeKb(), 'KB');
}

async function wholeKb(): Promise<number> {
  const files = (await readdir(join(root, 'dist'))).filter((file) => file.endsWith('.cjs'));
  const sizes = await Promise.all(files.map((file) => stat(join(root, 'dist', file))));
  return sizes.reduce((sum, { size }) => sum + size, 0) / 1024;
}

/** Returns a copy of the extension without the events that would activate it before it is measured. */
async function dormant(): Promise<string> {
  const extension = join(folder, 'extension');
  await mkdir(extension);
  const manifest = z.looseObject({}).parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  await writeFile(join(extension, 'package.json'), JSON.stringify({ ...manifest, activationEvents: [] }));
  for (const name of ['package.nls.json', 'dist', 'l10n', 'media', 'walkthrough'])
    await symlink(join(root, name), join(extension, name));
  return extension;
}

async function measureServer(): Promise<void> {
  const ready: number[] = [];
  const memory: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < serverRuns; i++) {
    const started = performance.now();
    await mustRun(process.execPath, ['-e', '']);
    bare.push(performance.now() - started);
    // Idle memory takes seconds to measure and hardly varies: three runs are enough.
    const { readyMs, rssMb } = await serverOnce(join(folder, `data-${i}`), i < 3);
    ready.push(readyMs);
    if (rssMb !== undefined) memory.push(rssMb);
  }
  print('server_ready_ms', median(ready), 'ms', serverRuns);
  print('bare_node_ms', median(bare), 'ms', serverRuns);
  print('server_ready_ratio', median(ready) / median(bare), 'of a bare node', serverRuns);
  print('server_rss_mb', median(memory), 'MB', memory.length);
}

/** Measures the time from the start of a server's process to its first response. */
async function serverOnce(
  dataDir: string,
  withMemory: boolean,
): Promise<{ readyMs: number; rssMb: number | undefined }> {
  const started = performance.now();
  const args = [...nodeOptions, join(root, 'dist/server.mjs'), 'serve', '--embedded', '--data-dir', dataDir];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  try {
    while (!(await answers(dataDir))) {
      if (child.exitCode !== null || performance.now() - started > 20_000) throw new Error('The server did not start.');
      await sleep(2);
    }
    const readyMs = performance.now() - started;
    if (!withMemory) return { readyMs, rssMb: undefined };
    await sleep(idleMs);
    return { readyMs, rssMb: await residentMb(child) };
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
}

async function answers(dataDir: string): Promise<boolean> {
  try {
    const { port, secret } = Discovery.parse(JSON.parse(await readFile(join(dataDir, discoveryFile), 'utf8')));
    const headers = { authorization: `Bearer ${secret}` };
    return (await fetch(`http://127.0.0.1:${port}/backend/info`, { headers })).ok;
  } catch {
    return false;
  }
}

async function residentMb({ pid }: ChildProcess): Promise<number> {
  const { output } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(output.trim()) / 1024;
}
