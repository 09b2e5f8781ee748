import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, root } from '../../scripts/build.ts';
import { packageRuntimes } from '../../scripts/package-runtimes.ts';
import { createEmbeddedSandbox, type EmbeddedOptions } from '../../server/src/sandbox/embedded/embedded.ts';
import { folderOf, runtimes } from '../../server/src/sandbox/embedded/runtimes.ts';
import { seatbeltProfile } from '../../server/src/sandbox/embedded/wall.ts';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import type { RunEvent, RunResult, Sandbox } from '../../server/src/sandbox/sandbox.ts';
import { onlyDeep } from '../support/deep.ts';

/*
 * Tests features of the engine for machines without Docker: the source of its runtimes, each of its restrictions, and
 * that nothing outlives the server. The tests in test/contract cover the behavior of every engine.
 */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'devlm-embedded-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const logger = pino({ level: 'silent' });
const open = (options: Partial<EmbeddedOptions> = {}): Sandbox & AsyncDisposable => {
  const sandbox = createEmbeddedSandbox({ runtimesDir: join(folder, 'runtimes'), logger, concurrency: 2, ...options });
  return Object.assign(sandbox, { [Symbol.asyncDispose]: () => sandbox.close() });
};

let runs = 0;
async function run(
  sandbox: Sandbox,
  language: string,
  source: string,
  more: object = {},
): Promise<RunResult & { events: RunEvent[] }> {
  const request = ExecutionRequest.parse({ id: `run-${process.pid}-${++runs}`, language, source, ...more });
  const { job } = prepareJob(request, { memoryMb: 1024, cpus: 2, wallMs: 60_000 });
  const events: RunEvent[] = [];
  const result = await sandbox.run(job, new AbortController().signal, (event) => events.push(event));
  return { ...result, events };
}

const hello: Readonly<Record<string, string>> = {
  python: 'print("hello")',
  ruby: 'puts "hello"',
  javascript: 'console.log("hello")',
  typescript: 'const text: string = "hello"; console.log(text)',
};

describe('where runtimes come from', () => {
  test('the table of runtimes matches the lock file', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    for (const { name, version, integrity } of Object.values(runtimes).flatMap(({ packages }) => packages)) {
      expect(lock.packages[`node_modules/${name}`], name).toMatchObject({ version, integrity });
    }
  });

  test('a runtime is installed with npm into an empty folder, once for two concurrent callers', async () => {
    const runtimesDir = join(folder, 'npm');
    await using sandbox = open({ runtimesDir, repository: null });
    const before = await sandbox.status();
    expect(before.languages.find(({ language }) => language === 'javascript')?.state).toBe('missing');
    const [first, second] = await Promise.all([
      run(sandbox, 'javascript', hello['javascript'] ?? ''),
      run(sandbox, 'typescript', hello['typescript'] ?? ''),
    ]);
    for (const { status, stdout, events } of [first, second]) {
      expect({ status, stdout }).toEqual({ status: 'ok', stdout: 'hello\n' });
      expect(events[0]).toMatchObject({ type: 'preparing', message: expect.stringContaining('npm') });
    }
    expect(readdirSync(runtimesDir)).toEqual([folderOf('quickjs')]);
    await using later = open({ runtimesDir, repository: null, env: { PATH: '/usr/bin:/bin' }, npm: '/nowhere/npm' });
    expect(await run(later, 'javascript', hello['javascript'] ?? '')).toMatchObject({ status: 'ok' });
  }, 120_000);

  onlyDeep(() => {
    test('the runtimes pack has all runtimes, for a machine without npm', async () => {
      const runtimesDir = join(folder, 'pack');
      const { bytes } = await packageRuntimes(join(runtimesDir, 'devlm-runtimes-0.0.0.tgz'));
      expect(bytes).toBeLessThan(24 * 1024 * 1024);
      await using sandbox = open({ runtimesDir, repository: null, env: { PATH: '' } });
      for (const [language, source] of Object.entries(hello)) {
        expect(await run(sandbox, language, source), language).toMatchObject({ status: 'ok', stdout: 'hello\n' });
      }
    }, 120_000);
  });

  test('a package other than the pinned one is never used', async () => {
    const runtimesDir = join(folder, 'forged');
    const forged = join(folder, 'forged-files', 'pyodide@314.0.7');
    mkdirSync(forged, { recursive: true });
    mkdirSync(runtimesDir, { recursive: true });
    writeFileSync(join(forged, 'pyodide.mjs'), 'export const loadPyodide = () => { throw new Error("forged"); };');
    execFileSync('tar', ['-czf', join(runtimesDir, 'devlm-runtimes-9.tgz'), 'pyodide@314.0.7'], {
      cwd: join(forged, '..'),
    });
    await using sandbox = open({ runtimesDir, repository: null, env: { PATH: '' } });
    const { status, message } = await run(sandbox, 'python', hello['python'] ?? '');
    expect({ status, message }).toEqual({
      status: 'engine-error',
      message: expect.stringMatching(/pyodide@314\.0\.7 .* is not the one/),
    });
    expect(readdirSync(runtimesDir)).toEqual(['devlm-runtimes-9.tgz']);
  });

  test('the message says what to do if there is neither npm nor a runtimes pack', async () => {
    const runtimesDir = join(folder, 'neither');
    await using sandbox = open({ runtimesDir, repository: null, env: { PATH: '' } });
    const { status, message } = await run(sandbox, 'python', hello['python'] ?? '');
    expect(status).toBe('engine-error');
    expect(message).toMatch(/npm.*package:runtimes.*Docker/);
    const { languages } = await sandbox.status();
    expect(languages.find(({ language }) => language === 'python')).toMatchObject({ state: 'unavailable', message });
  });
});

/** Program of a guest that has escaped to JavaScript. Each line that starts with REACHED shows a hole. */
const attempts = (secret: string, database: string, port: number) => `
const said = [];
const get = (name) => process.getBuiltinModule(name);
const attempt = (what, act) => { try { const got = act(); if (got) said.push('REACHED ' + what + ' ' + got); } catch {} };
attempt('a file', () => get('fs').readFileSync(${JSON.stringify(secret)}, 'utf8'));
attempt('a folder', () => get('fs').readdirSync(${JSON.stringify(join(secret, '..'))}).join());
attempt('a file of the system', () => get('fs').readFileSync('/etc/passwd', 'utf8'));
attempt('another process', () => get('fs').readFileSync('/proc/' + process.ppid + '/environ', 'utf8'));
attempt('writing', () => { get('fs').writeFileSync(${JSON.stringify(`${secret}.new`)}, 'x'); return 'done'; });
attempt('a database', () => new (get('node:sqlite').DatabaseSync)(${JSON.stringify(database)}).prepare('select secret from canary').get().secret);
attempt('a new database', () => { new (get('node:sqlite').DatabaseSync)(${JSON.stringify(`${database}.new`)}).exec('create table x (y)'); return 'done'; });
attempt('a database by require', () => get('module').createRequire('/')('node:sqlite').DatabaseSync);
attempt('a program', () => get('child_process').execFileSync('/bin/sh', ['-c', 'echo out']));
attempt('a worker', () => new (get('worker_threads').Worker)('1', { eval: true }));
attempt('a signal', () => process.kill(process.ppid, 0));
attempt('the environment', () => Object.entries(process.env).filter(([name]) => !/^(ELECTRON_RUN_AS_NODE)$/.test(name)).join());
attempt('the network', () => { get('net').connect(${port}, '127.0.0.1').on('error', () => {}); });
return said.join('\\n') || 'nothing';`;

function createCanaryDatabase(path: string): void {
  using database = new DatabaseSync(path);
  database.exec("create table canary (secret text); insert into canary values ('very secret')");
}

describe.each([true, false])('a guest that has escaped to JavaScript, system restrictions: %s', (walls) => {
  test.each(['python', 'ruby'])(
    'an escaped guest of %s reaches nothing else',
    async (language) => {
      const secret = join(folder, 'secret');
      writeFileSync(secret, 'very secret');
      const database = join(folder, `secret-${language}-${walls}.db`);
      createCanaryDatabase(database);
      const calls = { count: 0 };
      const server = createServer(() => calls.count++).listen(0, '127.0.0.1');
      await new Promise((done) => server.once('listening', done));
      const { port } = server.address() as { port: number };
      const code = JSON.stringify(`(() => { ${attempts(secret, database, port)} })()`);
      const source =
        language === 'python'
          ? `from pyodide.code import run_js\nimport time\nprint(run_js(${code}))\ntime.sleep(0.2)`
          : `require "js"\nputs JS.eval("return " + ${code}).to_s\nsleep 0.2`;
      await using sandbox = open({ walls });
      const { status, stdout, stderr, engine } = await run(sandbox, language, source);
      server.close();
      expect({ status, stdout, stderr }).toEqual({ status: 'ok', stdout: 'nothing\n', stderr: '' });
      expect(existsSync(`${database}.new`)).toBe(false);
      expect((await sandbox.status()).networkCut).toBe(engine?.networkCut);
      if (engine?.networkCut) expect(calls.count).toBe(0);
      else expect(walls).toBe(false);
    },
    90_000,
  );
});

test('the sandbox profile for macOS denies by default and lists what may be read', () => {
  const profile = seatbeltProfile('/opt/node "x"/bin/node', [{ host: '/data/runtimes', inside: '/data/runtimes' }]);
  expect(profile).toMatch(/^\(version 1\)\n\(deny default\)/);
  expect(profile).toContain('(deny network*)');
  expect(profile).toContain('(subpath "/data/runtimes")');
  expect(profile).toContain('"/opt/node \\"x\\"/bin/node"');
  expect(profile).not.toMatch(/allow (file-write\*|network|process-fork)/);
});

/** Returns the processes of this machine that run a runtime from `marker`. */
const childrenOf = (marker: string): string[] =>
  execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(marker) && line.includes('wasm-max-mem-pages'));

test.each([true, false])(
  'no child process survives a kill -9 of the server, system restrictions: %s',
  async (walls) => {
    const runtimesDir = join(folder, `killed-${walls}`);
    cpSync(join(folder, 'runtimes'), runtimesDir, { recursive: true });
    const program = `
    import { createEmbeddedSandbox } from ${JSON.stringify(join(root, 'server/src/sandbox/embedded/embedded.ts'))};
    import { prepareJob } from ${JSON.stringify(join(root, 'server/src/sandbox/job.ts'))};
    import { ExecutionRequest } from ${JSON.stringify(join(root, 'protocol/src/execution.ts'))};
    import { pino } from ${JSON.stringify(import.meta.resolve('pino'))};
    const sandbox = createEmbeddedSandbox({ runtimesDir: ${JSON.stringify(runtimesDir)}, logger: pino({ level: 'silent' }), concurrency: 2, walls: ${walls} });
    const { job } = prepareJob(ExecutionRequest.parse({ id: 'run-1', language: 'python', source: 'print("ready")\\nwhile True: pass' }), { memoryMb: 1024, cpus: 2, wallMs: 60000 });
    await sandbox.run(job, new AbortController().signal, (event) => { if (event.type === 'output') console.log(event.text); });`;
    const server = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((done) => server.once('exit', done));
    await Promise.race([new Promise((done) => server.stdout.once('data', done)), exited]);
    // Each child has a snapshot of this folder in its mounts.
    expect(childrenOf(runtimesDir).length).toBeGreaterThan(0);
    server.kill('SIGKILL');
    await exited;
    await expect.poll(() => childrenOf(runtimesDir), { timeout: 5_000 }).toEqual([]);
  },
);

test('a warm child process is used once, and idle ones are ended', async () => {
  const runtimesDir = join(folder, 'runtimes');
  await using sandbox = open({ runtimesDir, idleMs: 500 });
  const source = 'import os\nprint(os.path.exists("/tmp/mark"))\nopen("/tmp/mark", "w").close()';
  const first = await run(sandbox, 'python', source);
  const second = await run(sandbox, 'python', source);
  expect([first.stdout, second.stdout]).toEqual(['False\n', 'False\n']);
  await expect.poll(() => childrenOf(runtimesDir), { timeout: 10_000 }).toEqual([]);
});

// The integration tests run the shipped server, which starts its own children.
onlyDeep(() => {
  test('the bundled server finds its bundled child programs', async () => {
    const dist = join(folder, 'vsix', 'dist');
    await build({ minify: true, outdir: dist });
    expect(existsSync(join(dist, 'sandbox-child.mjs'))).toBe(true);
    const { build: esbuild } = await import('esbuild');
    await esbuild({
      entryPoints: [join(root, 'server/src/sandbox/embedded/embedded.ts')],
      outfile: join(dist, 'embedded.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
      logLevel: 'silent',
    });
    const runtimesDir = join(folder, 'bundled');
    await packageRuntimes(join(runtimesDir, 'devlm-runtimes-0.0.0.tgz'));
    const bundled: typeof import('../../server/src/sandbox/embedded/embedded.ts') = await import(
      join(dist, 'embedded.mjs')
    );
    const sandbox = bundled.createEmbeddedSandbox({
      runtimesDir,
      logger,
      concurrency: 2,
      env: { PATH: process.env['PATH'] },
    });
    try {
      for (const [language, source] of Object.entries(hello)) {
        expect(await run(sandbox, language, source), language).toMatchObject({ status: 'ok', stdout: 'hello\n' });
      }
    } finally {
      await sandbox.close();
    }
  }, 120_000);
});
