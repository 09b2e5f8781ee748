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

/** Languages of each engine. gVisor uses the adapter of Docker, so a part of them is enough. */
const ofKind: Record<(typeof sandboxKinds)[number], readonly Language[]> = {
  docker: ['python', 'javascript', 'typescript', 'go', 'ruby', 'bash'],
  gvisor: ['python', 'bash'],
  embedded: ['python', 'javascript', 'typescript', 'ruby'],
};

/** Features that a WebAssembly engine lacks. A program that uses one ends with `failed`. */
const without: Record<(typeof sandboxKinds)[number], ReadonlySet<string>> = {
  docker: new Set(),
  gvisor: new Set(),
  embedded: new Set(['processes', 'network']),
};

/**
 * Python in Docker runs every test. Other languages and engines run a share of them, each starting at another test. A
 * deep run runs all tests everywhere.
 */
const everyNth = (kind: (typeof sandboxKinds)[number], language: Language): number => {
  if (kind === 'docker') return language === 'python' ? 1 : 4;
  if (kind === 'embedded') return language === 'python' ? 3 : 6;
  return 4;
};

/** Time limit that is long enough for a cold engine on a busy machine. Only the tests of limits reach one. */
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

    check('a program prints a text, and its record is complete', async () => {
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

    check('a program reads standard input and its end', async () => {
      const stdin = 'first\nzweite größe 日本 🎉\nno newline';
      expect((await run(program.echo, { stdin })).result).toMatchObject({ status: 'ok', stdout: stdin });
      expect((await run(program.countInput)).result).toMatchObject({ status: 'ok', stdout: '0\n' });
    });

    check('a program reads 10 MB of standard input', async () => {
      const stdin = 'x'.repeat(10 * 1024 * 1024);
      const { result } = await run(program.countInput, { stdin, limits: { memoryMb: 512 } });
      expect(result).toMatchObject({ status: 'ok', stdout: `${stdin.length}\n` });
    });

    check('a program receives arguments and variables unchanged', async () => {
      const args = ['one two', '$HOME `id` "quoted"', "it's", 'größe 日本', '--version', '*'];
      expect((await run(program.args, { args })).result).toMatchObject({
        status: 'ok',
        stdout: `${args.join('\n')}\n`,
      });
      const env = { GREETING: 'good "day"\n$(id) größe' };
      expect((await run(program.env, { env })).result).toMatchObject({ status: 'ok', stdout: `${env.GREETING}\n` });
    });

    check('a program can have several files', async () => {
      const { result } = await runProgram(sandbox, { ...program.multi, limits: { wallMs } });
      expect(result).toMatchObject({ status: 'ok', stdout: '5\n' });
    });

    check('a program finds its files, with any name, as text or bytes', async () => {
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

    check('the two output streams are separate and in order', async () => {
      const { result, order } = await run(program.byTurns);
      expect(result).toMatchObject({ status: 'ok', stdout: 'out\nout\n', stderr: 'err\nerr\n' });
      expect(order).toEqual(['stdout', 'stderr', 'stdout', 'stderr']);
    });

    check('output that is not text becomes text', async () => {
      const { result } = await run(program.binary);
      expect(result).toMatchObject({ status: 'ok', stderr: '' });
      expect(result.stdout.slice(0, 128)).toBe(String.fromCharCode(...Array(128).keys()));
      expect(result.stdout.slice(128)).toMatch(/^\ufffd+$/);
    });

    check('a program that does not compile is not run', async () => {
      const { result } = await run(program.compileError.source);
      expect(result).toMatchObject({ status: 'failed', stdout: '' });
      expect(result.stderr).toMatch(program.compileError.says);
    });

    check('an error shows its position', async () => {
      const { result } = await run(program.runtimeError.source);
      expect(result.status).toBe('failed');
      expect(result.stderr).toMatch(program.runtimeError.says);
    });

    check('the record has the exit code', async () => {
      expect((await run(program.exit)).result).toMatchObject({
        status: 'failed',
        exitCode: 7,
        signal: null,
        stderr: '',
      });
    });

    check('an infinite loop ends at its limit, and its output is kept', async () => {
      const compiler = language === 'go' ? 8_000 : 0;
      const { result, tookMs } = await run(program.loop, { limits: { wallMs: 2_000 + compiler } });
      expect(result).toMatchObject({ status: 'timeout', exitCode: null, stdout: 'ready\n' });
      expect(result.wallMs).toBeGreaterThanOrEqual(1_900 + compiler);
      expect(result.wallMs).toBeLessThan(5_000 + compiler);
      expect(tookMs).toBeLessThan(30_000 + compiler);
    });

    check('a program that exhausts its memory is ended', async () => {
      const { result } = await run(program.memoryHog, { limits: { wallMs: 30_000 } });
      // gVisor as a whole may end with the program, and the engine then does not always know the reason.
      if (kind === 'gvisor' && result.status === 'engine-error')
        expect(result.message).toMatch(/gVisor ran out of memory/);
      else expect(result.status).toBe('out-of-memory');
    });

    check('the sandbox survives a fork bomb', async () => {
      const { result, tookMs } = await run(program.forkBomb, { limits: { wallMs: 4_000 } });
      expect(result.status).toMatch(
        // Without room for its own threads, the whole of gVisor ends silently.
        kind === 'gvisor'
          ? /^(failed|timeout|out-of-memory|engine-error)$/
          : without[kind].has('processes')
            ? /^(failed|timeout)$/
            : /^(failed|timeout|out-of-memory)$/,
      );
      expect(tookMs).toBeLessThan(30_000);
      expect((await run(program.hello)).result.stdout).toBe('hello\n');
    });

    check('endless output is truncated at the limit', async () => {
      const { result, tookMs } = await run(program.flood, { limits: { outputBytes: 50_000 } });
      expect(result).toMatchObject({ status: 'output-limit', truncated: { stdout: true, stderr: false } });
      expect(result.stdout).toHaveLength(50_000);
      expect(tookMs).toBeLessThan(wallMs);
    });

    check('a program has no network, not even to this machine', async () => {
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

    check('a program cannot write outside its folders', async () => {
      const { result } = await run(program.writeOutside);
      // WebAssembly has its own file system, in the memory of a run.
      if (kind === 'embedded') expect(['ok', 'failed']).toContain(result.status);
      else expect(result).toMatchObject({ status: 'failed', exitCode: 9 });
      for (const path of ['/etc/devlm', '/usr/bin/devlm', '/devlm']) expect(existsSync(path)).toBe(false);
    });

    check('the files in /sandbox/out are kept', async () => {
      const { result } = await run(program.artifacts);
      expect(result.status).toBe('ok');
      const contents = result.artifacts.map(({ path, data }) => [path, Buffer.from(data, 'base64').toString()]);
      expect(Object.fromEntries(contents)).toEqual({ 'a.txt': 'abc', 'sub/größe.bin': 'x'.repeat(300_000) });
    });

    check('a program can be canceled before it starts, while it runs, and after its end', async () => {
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

/** Listens on every address of this machine and counts the connections. */
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
