import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Language } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../server/src/sandbox/sandbox.ts';
import { inTurn } from '../support/deep.ts';
import { programs } from '../support/sandbox-programs.ts';
import { type OpenSandbox, openSandbox, type Program, runProgram, sandboxKinds } from '../support/sandboxes.ts';

/** What each engine runs; gVisor's is Docker's adapter again, so a part of the languages will do. */
const ofKind: Record<(typeof sandboxKinds)[number], readonly Language[]> = {
  docker: ['python', 'javascript', 'typescript', 'go', 'ruby', 'bash'],
  gvisor: ['python', 'bash'],
  embedded: ['python', 'javascript', 'typescript', 'ruby'],
};

/** What a WebAssembly engine has none of; a program that asks for it ends with `failed`. */
const without: Record<(typeof sandboxKinds)[number], ReadonlySet<string>> = {
  docker: new Set(),
  gvisor: new Set(),
  embedded: new Set(['processes', 'network']),
};

/**
 * Docker passes every test in Python, and each of the other languages and engines a share of them, each beginning at
 * another test. A deep run has all of them everywhere.
 */
const everyNth = (kind: (typeof sandboxKinds)[number], language: Language): number => {
  if (kind === 'docker') return language === 'python' ? 1 : 4;
  if (kind === 'embedded') return language === 'python' ? 3 : 6;
  return 4;
};

/** Enough for a cold engine on a busy machine: only the tests of limits wait for one. */
const wallMs = 45_000;

describe.each(sandboxKinds)('%s', { timeout: 90_000 }, (kind) => {
  let open: OpenSandbox;
  let sandbox: Sandbox;
  beforeAll(async () => {
    open = await openSandbox(kind, ofKind[kind]);
    sandbox = open.sandbox;
  }, 180_000);
  afterAll(() => open?.[Symbol.asyncDispose](), 60_000);

  describe.for(ofKind[kind].map((language) => [language] as const))('%s', { concurrent: true }, ([language]) => {
    const program = programs[language];
    if (!program) throw new Error(`No programs in ${language}.`);
    const turn = inTurn(everyNth(kind, language), ofKind[kind].indexOf(language) + (kind === 'docker' ? 0 : 1));
    const check = (name: string, body: () => Promise<void>) => turn(() => test(name, body));
    const run = (source: string, more: Partial<Program> = {}, options: Parameters<typeof runProgram>[2] = {}) =>
      runProgram(sandbox, { language, source, ...more, limits: { wallMs, ...more.limits } }, options);

    check('says hello, and the record is whole', async () => {
      const { result } = await run(program.hello);
      expect(result).toMatchObject({
        status: 'ok',
        exitCode: 0,
        signal: null,
        message: null,
        stdout: 'hello\n',
        stderr: '',
        order: [{ stream: 'stdout', chars: 6 }],
        truncated: { stdout: false, stderr: false },
        artifacts: [],
        artifactsTruncated: false,
        engine: { kind: kind === 'embedded' ? 'embedded' : 'docker', networkCut: true },
      });
      expect(result.wallMs).toBeGreaterThan(0);
      expect(result.command.length).toBeGreaterThan(0);
      if (kind !== 'embedded') expect(result.image?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      if (kind === 'gvisor') expect(result.engine?.runtime).toBe('runsc');
    });

    check('reads standard input, and its end', async () => {
      const stdin = 'first\nzweite größe 日本 🎉\nno newline';
      expect((await run(program.echo, { stdin })).result).toMatchObject({ status: 'ok', stdout: stdin });
      expect((await run(program.countInput)).result).toMatchObject({ status: 'ok', stdout: '0\n' });
    });

    check('reads 10 MB of standard input', async () => {
      const stdin = 'x'.repeat(10 * 1024 * 1024);
      const { result } = await run(program.countInput, { stdin, limits: { memoryMb: 512 } });
      expect(result).toMatchObject({ status: 'ok', stdout: `${stdin.length}\n` });
    });

    check('takes arguments and variables as they are', async () => {
      const args = ['one two', '$HOME `id` "quoted"', "it's", 'größe 日本', '--version', '*'];
      expect((await run(program.args, { args })).result).toMatchObject({
        status: 'ok',
        stdout: `${args.join('\n')}\n`,
      });
      const env = { GREETING: 'good "day"\n$(id) größe' };
      expect((await run(program.env, { env })).result).toMatchObject({ status: 'ok', stdout: `${env.GREETING}\n` });
    });

    check('runs a program of several files', async () => {
      const { result } = await runProgram(sandbox, { ...program.multi, limits: { wallMs } });
      expect(result).toMatchObject({ status: 'ok', stdout: '5\n' });
    });

    check('finds files with any name, text or bytes', async () => {
      const content = 'zeile eins\r\n日本 🎉\n';
      const files = [
        { path: 'données/ファイル.txt', content },
        {
          path: 'a b/$(c) "d"\'/größe.bin',
          content: Buffer.from([0, 255, 128]).toString('base64'),
          encoding: 'base64' as const,
        },
      ];
      expect((await run(program.readsFile, { files })).result).toMatchObject({ status: 'ok', stdout: content });
    });

    check('keeps the two outputs apart and in the order in which they came', async () => {
      const { result, order } = await run(program.byTurns);
      expect(result).toMatchObject({ status: 'ok', stdout: 'out\nout\n', stderr: 'err\nerr\n' });
      expect(order).toEqual(['stdout', 'stderr', 'stdout', 'stderr']);
    });

    check('makes text of bytes that are none', async () => {
      const { result } = await run(program.binary);
      expect(result).toMatchObject({ status: 'ok', stderr: '' });
      expect(result.stdout.slice(0, 128)).toBe(String.fromCharCode(...Array(128).keys()));
      expect(result.stdout.slice(128)).toMatch(/^\ufffd+$/);
    });

    check('does not run what does not compile', async () => {
      const { result } = await run(program.compileError.source);
      expect(result).toMatchObject({ status: 'failed', stdout: '' });
      expect(result.stderr).toMatch(program.compileError.says);
    });

    check('shows where an error was', async () => {
      const { result } = await run(program.runtimeError.source);
      expect(result.status).toBe('failed');
      expect(result.stderr).toMatch(program.runtimeError.says);
    });

    check('answers the exit code', async () => {
      expect((await run(program.exit)).result).toMatchObject({
        status: 'failed',
        exitCode: 7,
        signal: null,
        stderr: '',
      });
    });

    check('ends an infinite loop at its limit, and keeps what it printed', async () => {
      const compiler = language === 'go' ? 8_000 : 0;
      const { result, tookMs } = await run(program.loop, { limits: { wallMs: 2_000 + compiler } });
      expect(result).toMatchObject({ status: 'timeout', exitCode: null, stdout: 'ready\n' });
      expect(result.wallMs).toBeGreaterThanOrEqual(1_900 + compiler);
      expect(result.wallMs).toBeLessThan(5_000 + compiler);
      expect(tookMs).toBeLessThan(30_000 + compiler);
    });

    check('ends a program that uses up the memory', async () => {
      const { result } = await run(program.memoryHog, { limits: { wallMs: 30_000 } });
      // gVisor as a whole may end with the program, and then the engine does not always know why.
      if (kind === 'gvisor' && result.status === 'engine-error')
        expect(result.message).toMatch(/gVisor ran out of memory/);
      else expect(result.status).toBe('out-of-memory');
    });

    check('survives a fork bomb', async () => {
      const { result, tookMs } = await run(program.forkBomb, { limits: { wallMs: 4_000 } });
      expect(result.status).toMatch(
        // Without room for its own threads gVisor ends as a whole, and says nothing.
        kind === 'gvisor'
          ? /^(failed|timeout|out-of-memory|engine-error)$/
          : without[kind].has('processes')
            ? /^(failed|timeout)$/
            : /^(failed|timeout|out-of-memory)$/,
      );
      expect(tookMs).toBeLessThan(30_000);
      expect((await run(program.hello)).result.stdout).toBe('hello\n');
    });

    check('cuts an output flood at the limit', async () => {
      const { result, tookMs } = await run(program.flood, { limits: { outputBytes: 50_000 } });
      expect(result).toMatchObject({ status: 'output-limit', truncated: { stdout: true, stderr: false } });
      expect(result.stdout).toHaveLength(50_000);
      expect(tookMs).toBeLessThan(wallMs);
    });

    check('has no network, not even to this machine', async () => {
      await using canary = await listen();
      const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
      const hosts = ['127.0.0.1', ...addresses.filter((address) => !address.includes(':'))];
      const results = await Promise.all(
        [...new Set(hosts), '169.254.169.254'].map((host) =>
          run(program.connect, { args: [host, String(canary.port)] }),
        ),
      );
      expect(results.map(({ result }) => result.status)).toEqual(results.map(() => 'failed'));
      expect(canary.connections()).toBe(0);
    });

    check('cannot write outside of its folders', async () => {
      const { result } = await run(program.writeOutside);
      // WebAssembly has a file system of its own, in the memory of one run.
      if (kind === 'embedded') expect(['ok', 'failed']).toContain(result.status);
      else expect(result).toMatchObject({ status: 'failed', exitCode: 9 });
      for (const path of ['/etc/devlm', '/usr/bin/devlm', '/devlm']) expect(existsSync(path)).toBe(false);
    });

    check('keeps the files in /sandbox/out', async () => {
      const { result } = await run(program.artifacts);
      expect(result.status).toBe('ok');
      const contents = result.artifacts.map(({ path, data }) => [path, Buffer.from(data, 'base64').toString()]);
      expect(Object.fromEntries(contents)).toEqual({ 'a.txt': 'abc', 'sub/größe.bin': 'x'.repeat(300_000) });
    });

    check('can be cancelled before it starts, while it runs, and when it has ended', async () => {
      const before = await run(program.hello, {}, { signal: AbortSignal.abort() });
      expect(before.result).toMatchObject({ status: 'cancelled', stdout: '' });

      const controller = new AbortController();
      let cancelledAt = 0;
      const midway = await run(
        program.loop,
        {},
        {
          signal: controller.signal,
          hear: ({ type }) => {
            if (type !== 'output') return;
            cancelledAt = performance.now();
            controller.abort();
          },
        },
      );
      expect(midway.result).toMatchObject({
        status: 'cancelled',
        exitCode: null,
        stdout: expect.stringMatching(/^ready/),
      });
      expect(performance.now() - cancelledAt).toBeLessThan(5_000);

      const late = new AbortController();
      const { result } = await run(program.hello, {}, { signal: late.signal });
      late.abort();
      expect(result.status).toBe('ok');
    });

    for (const [name, suite] of Object.entries(program.tests)) {
      check(`runs tests with ${name}`, async () => {
        if (kind === 'embedded' && name === 'pytest') {
          const { result } = await runProgram(sandbox, suite);
          expect(result).toMatchObject({ status: 'engine-error', message: expect.stringContaining('Docker') });
          return;
        }
        const passing = await runProgram(sandbox, { ...suite, limits: { wallMs, memoryMb: 512, cpus: 1 } });
        expect(passing.result).toMatchObject({ status: 'ok', exitCode: 0 });
        const broken = JSON.parse(JSON.stringify(suite).replaceAll('5', '6'));
        const failing = await runProgram(sandbox, { ...broken, limits: { wallMs, memoryMb: 512, cpus: 1 } });
        expect(failing.result.status).toBe('failed');
        expect(failing.result.stdout + failing.result.stderr).toMatch(/fail|wrong/i);
      });
    }
  });
});

interface Canary extends AsyncDisposable {
  readonly port: number;
  connections(): number;
}

/** Listens on every address of this machine and counts who comes. */
async function listen(): Promise<Canary> {
  let count = 0;
  const server: Server = createServer((socket) => {
    count++;
    socket.destroy();
  });
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    connections: () => count,
    async [Symbol.asyncDispose]() {
      await sleep(20);
      server.close();
    },
  };
}
