import { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import { share } from '../support/deep.ts';
import { descendants, type HostWatch, watchHost } from '../support/host-watch.ts';
import { type Attack, byItself } from '../support/sandbox-attacks/attack.ts';
import { attackList } from '../support/sandbox-attacks/list.ts';
import {
  imaged,
  type OpenSandbox,
  openSandbox,
  type Ran,
  runProgram,
  type SandboxKind,
  sandboxKinds,
} from '../support/sandboxes.ts';

const wallMs = 3_000;
/** Time limit of programs that must end for another reason, even on a slow machine. */
const longWallMs = 10_000;
/** Returns a part of a list for an engine that it was not written for, where a start takes longer. */
const part = (list: readonly Attack[], every: number) => list.filter((_, i) => i % every === 0);
const { processes = [], space = [], kernel = [], network = [], artifacts = [], embedded = [] } = attackList;
const inWebAssembly = (list: readonly Attack[]) =>
  list.filter(({ language }) => language === 'python' || language === 'javascript' || language === 'ruby');

const lists: Record<SandboxKind, Record<string, readonly Attack[]>> = {
  docker: { processes, space, kernel, network, artifacts },
  gvisor: {
    processes: part(processes, 4),
    space: part(space, 4),
    kernel: part(kernel, 2),
    network: part(network, 3),
    artifacts: part(artifacts, 4),
  },
  embedded: {
    embedded,
    processes: part(inWebAssembly(processes), 3),
    space: part(inWebAssembly(space), 3),
    kernel: part(inWebAssembly(kernel), 5),
    network: part(inWebAssembly(network), 2),
    artifacts: part(inWebAssembly(artifacts), 2),
  },
};

test('there are at least 60 attacks with unique names', () => {
  const names = Object.values(attackList)
    .flat()
    .map(({ name, language }) => `${language} ${name}`);
  expect(names.length).toBeGreaterThan(60);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(sandboxKinds)('%s', (kind) => {
  let open: OpenSandbox;
  let host: HostWatch;
  let before: string[];
  beforeAll(async () => {
    host = await watchHost();
    open = await openSandbox(kind, imaged, { own: true });
    before = descendants();
  }, 180_000);
  afterAll(async () => {
    await open?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  }, 60_000);

  for (const [group, list] of Object.entries(lists[kind])) {
    describe(group, { concurrent: true }, () => {
      test.for(
        share(list, kind === 'docker' ? 4 : 6).map((attack) => [`${attack.language}: ${attack.name}`, attack] as const),
      )('%s', async ([, attack]) => {
        const source = attack.source.replaceAll('$PORT', String(host.port)).replaceAll('$CANARY', host.canary);
        const { language, args = [] } = attack;
        const limits = { wallMs: mayTimeOut(kind, group, attack) ? wallMs : longWallMs, ...attack.limits };
        check(kind, group, attack, await runProgram(open.sandbox, { language, source, args: [...args], limits }), host);
      });
    });
  }

  test('attacks leave nothing behind on this machine, and the sandbox still runs programs', async () => {
    host.check();
    const { result, tookMs } = await runProgram(open.sandbox, { language: 'python', source: 'print("hello")' });
    expect(result).toMatchObject({ status: 'ok', stdout: 'hello\n' });
    expect(tookMs).toBeLessThan(20_000);
    await open.sandbox.close();
    await expect.poll(() => open.leftovers(), { timeout: 20_000, interval: 200 }).toEqual([]);
    if (kind === 'embedded')
      await expect.poll(() => descendants().filter((line) => !before.includes(line)), { timeout: 10_000 }).toEqual([]);
    host.check();
  }, 60_000);
});

/** In WebAssembly an attack can do anything to its own runtime. */
const isFree = (kind: SandboxKind, group: string) => kind === 'embedded' && group !== 'embedded';

const mayTimeOut = (kind: SandboxKind, group: string, { may = byItself }: Attack) =>
  isFree(kind, group) || may.includes('timeout');

function check(kind: SandboxKind, group: string, attack: Attack, { result, tookMs }: Ran, host: HostWatch): void {
  const said = result.stdout + result.stderr;
  // The kernel of gVisor and WebAssembly let a program do things to itself that a real kernel refuses.
  const own =
    (kind === 'gvisor' && group === 'kernel') || (kind === 'embedded' && group !== 'embedded' && group !== 'network');
  if (!own) expect(said).not.toContain('ESCAPED');
  expect(said).not.toContain(host.secret);
  for (const { data } of result.artifacts) {
    const content = Buffer.from(data, 'base64').toString('latin1');
    expect(content).not.toContain(host.secret);
    expect(content).not.toMatch(/^ESCAPED|root:[^:]*:0:0/m);
  }
  if (isFree(kind, group)) expect(['engine-error', 'cancelled']).not.toContain(result.status);
  else {
    // Without memory the whole of gVisor ends silently, and its kernel refuses calls that a real one allows.
    const may = [
      ...(attack.may ?? byItself),
      ...(kind === 'gvisor' ? ['engine-error', 'failed', 'out-of-memory'] : []),
    ];
    expect(may, `${said.slice(0, 500)} ${result.message}`).toContain(result.status);
  }
  if (kind !== 'embedded') {
    if (attack.exitCode !== undefined) expect(result.exitCode).toBe(attack.exitCode);
    if (attack.prints !== undefined) expect(result.stdout).toBe(attack.prints);
    if (attack.withinMs !== undefined) expect(tookMs).toBeLessThan(attack.withinMs + wallMs);
  }
  // Run many at once even on a small machine, because most of the time each waits for its interpreter to load.
  expect(tookMs).toBeLessThan(wallMs + (kind === 'embedded' ? 40_000 : 15_000));
}

describe('paths of inputs', () => {
  const caps = { memoryMb: 1024, cpus: 2, wallMs: 10_000 };
  const refused = [
    ...['../escaped', '/etc/escaped', 'a/../../escaped', 'a/./b', './a', 'a//b', 'a/', '/', '', '.', '..', '...//..'],
    ...[
      'a\\b',
      '..\\escaped',
      'C:\\escaped',
      'a\0b',
      'a\nb',
      '\x7f',
      'x'.repeat(256),
      `${'d/'.repeat(260)}x`,
      '~/../x/..',
    ],
  ];
  test.for(refused.map((path) => [JSON.stringify(path).slice(0, 40), path] as const))(
    'the input path %s is refused',
    ([, path]) => {
      const parsed = ExecutionRequest.safeParse({
        id: 'run-1',
        language: 'python',
        source: '1',
        files: [{ path, content: 'x' }],
      });
      expect(parsed.success).toBe(false);
      const entry = ExecutionRequest.safeParse({ id: 'run-1', language: 'python', source: '1', entry: path });
      expect(entry.success).toBe(false);
    },
  );

  test('an input below another input file, and a duplicate input, are refused', () => {
    const prepare = (...paths: string[]) =>
      prepareJob(
        ExecutionRequest.parse({
          id: 'run-1',
          language: 'python',
          command: ['true'],
          files: paths.map((path) => ({ path, content: 'x' })),
        }),
        caps,
      );
    expect(() => prepare('a', 'a/b')).toThrow(/file and a folder/);
    expect(() => prepare('a/b/c', 'a/b')).toThrow(/file and a folder/);
    expect(() => prepare('a', 'a')).toThrow(/twice/);
    expect(prepare('a/b', 'a/c', '..x/...').job.files.map(({ path }) => path)).toEqual(['a/b', 'a/c', '..x/...']);
  });
});
