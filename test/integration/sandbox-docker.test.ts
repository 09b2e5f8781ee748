import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dialPublic } from '../../server/src/actions/web/dial.ts';
import { SandboxChoice } from '../../server/src/sandbox/choice.ts';
import { label } from '../../server/src/sandbox/docker/container-options.ts';
import { createDockerSandbox, type DockerSandbox } from '../../server/src/sandbox/docker/docker.ts';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import { dockerClient, type PrivateEngine, startDockerEngine } from '../support/docker-engine.ts';
import { importSandboxImage } from '../support/sandbox-images.ts';
import { openSandbox } from '../support/sandboxes.ts';

/** Tests features of Docker alone: the pool, the sweep, an engine that stops and returns. */
let engine: PrivateEngine;
let image: string;
beforeAll(async () => {
  engine = await startDockerEngine();
  image = (await importSandboxImage(engine.host, 'python')) ?? '';
}, 180_000);
afterAll(() => engine?.[Symbol.asyncDispose](), 60_000);

interface Opened extends AsyncDisposable {
  readonly sandbox: DockerSandbox;
  readonly serverId: string;
}

async function open(options: { host?: string; max?: number; serverId?: string } = {}): Promise<Opened> {
  const { host = engine.host, max = 2, serverId = randomUUID() } = options;
  const warm = { min: 0, max };
  const logger = pino({ level: process.env['DEVLM_TEST_LOG'] ?? 'silent' });
  const sandbox = createDockerSandbox({ host, images: { python: image }, serverId, warm, dial: dialPublic, logger });
  await sandbox.prepare();
  return { sandbox, serverId, [Symbol.asyncDispose]: () => sandbox.close() };
}

async function run(sandbox: DockerSandbox, source: string, hear: (type: string) => void = () => {}) {
  const request = ExecutionRequest.parse({ id: `run-${randomUUID()}`, language: 'python', source });
  const { job } = prepareJob(request, { memoryMb: 512, cpus: 2, wallMs: 60_000 });
  return sandbox.run(job, new AbortController().signal, ({ type }) => hear(type));
}

/** Returns the names of the containers of a server in any state. */
async function containersOf(serverId: string): Promise<string[]> {
  const filters = { label: [`${label.server}=${serverId}`] };
  const found = await dockerClient(engine.host).listContainers({ all: true, filters });
  return found.map(({ Id: id }) => id);
}

async function until(what: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error(`It did not happen within ${ms} ms: ${what}`);
    await sleep(25);
  }
}

/** Creates a leftover as of an earlier server. */
async function leave(serverId: string, expires: number): Promise<string> {
  const labels = { [label.server]: serverId, [label.launch]: 'earlier', [label.expires]: String(expires) };
  const container = await dockerClient(engine.host).createContainer({
    Image: image,
    Cmd: ['sleep', '1'],
    Labels: labels,
  });
  return container.id;
}

test('the second run uses a warm container, each is used once, and none is left after closing', async () => {
  const { sandbox, serverId } = await open();
  const first = await run(sandbox, 'open("/sandbox/left", "w").write("x"); print(1)');
  expect(first).toMatchObject({ status: 'ok', stdout: '1\n', engine: { warm: false } });
  await until(() => sandbox.warmContainers === 2);
  const second = await run(sandbox, 'import os; print(os.path.exists("/sandbox/left"))');
  expect(second).toMatchObject({ status: 'ok', stdout: 'False\n', engine: { warm: true } });
  await until(() => sandbox.warmContainers === 2);
  await until(async () => (await containersOf(serverId)).length === 2);
  await sandbox.close();
  expect(await containersOf(serverId)).toEqual([]);
}, 60_000);

test('a warm container that died is replaced and not used', async () => {
  await using opened = await open({ max: 1 });
  const { sandbox, serverId } = opened;
  await run(sandbox, 'pass');
  await until(() => sandbox.warmContainers === 1);
  const [waiting] = await containersOf(serverId);
  await dockerClient(engine.host)
    .getContainer(waiting ?? '')
    .kill();
  await until(() => sandbox.warmContainers === 0);
  expect(await run(sandbox, 'print(2)')).toMatchObject({ status: 'ok', stdout: '2\n' });
  await until(() => sandbox.warmContainers === 1);
}, 60_000);

test('the sweep removes leftovers of earlier servers and expired containers, and none of a running server', async () => {
  await using other = await open({ max: 1 });
  await run(other.sandbox, 'pass');
  await until(() => other.sandbox.warmContainers === 1);
  const before = await containersOf(other.serverId);
  const serverId = randomUUID();
  const now = Math.floor(Date.now() / 1000);
  await leave(serverId, now + 3600);
  const foreign = randomUUID();
  const foreignLive = await leave(foreign, now + 3600);
  await leave(foreign, now - 3600);
  await using _opened = await open({ serverId });
  expect(await containersOf(serverId)).toEqual([]);
  expect(await containersOf(foreign)).toEqual([foreignLive]);
  expect(await containersOf(other.serverId)).toEqual(before);
  expect(await run(other.sandbox, 'print(3)')).toMatchObject({ status: 'ok', engine: { warm: true } });
}, 60_000);

test('a missing Docker engine is reported at once', async () => {
  await using opened = await open({ host: 'unix:///nowhere/docker.sock' });
  const start = performance.now();
  expect(await run(opened.sandbox, 'pass')).toMatchObject({ status: 'engine-error', exitCode: null });
  expect(await opened.sandbox.status()).toMatchObject({ available: false, message: expect.stringMatching(/Docker/) });
  expect(performance.now() - start).toBeLessThan(5_000);
}, 30_000);

test('an engine that is killed during a run is reported at once, and is used again when it is back', async () => {
  await using opened = await open({ max: 1 });
  const { sandbox, serverId } = opened;
  const started = Promise.withResolvers<void>();
  const running = run(sandbox, 'import time; print("on", flush=True); time.sleep(50)', (type) => {
    if (type === 'output') started.resolve();
  });
  await started.promise;
  const killed = performance.now();
  await engine.kill();
  expect(await running).toMatchObject({ status: 'engine-error', stdout: expect.stringMatching(/^on\n?$/) });
  expect(performance.now() - killed).toBeLessThan(10_000);
  expect(await run(sandbox, 'pass')).toMatchObject({ status: 'engine-error' });
  await engine.start();
  await until(async () => (await run(sandbox, 'print(4)')).status === 'ok');
  await sandbox.close();
  await using _again = await open({ serverId });
  expect(await containersOf(serverId)).toEqual([]);
}, 90_000);

test('the embedded engine is used while Docker is stopped, says why, and Docker is used again when it is back', async () => {
  await using docker = await open({ max: 1 });
  await using embedded = await openSandbox('embedded', []);
  const choice = new SandboxChoice([docker.sandbox, embedded.sandbox]);
  const runPython = () => {
    const request = ExecutionRequest.parse({ id: `run-${randomUUID()}`, language: 'python', source: 'print(5)' });
    const { job } = prepareJob(request, { memoryMb: 512, cpus: 2, wallMs: 60_000 });
    return choice.run(job, new AbortController().signal, () => {});
  };
  expect(await runPython()).toMatchObject({ status: 'ok', engine: { kind: 'docker' } });
  await engine.stop();
  expect(await runPython()).toMatchObject({ status: 'ok', stdout: '5\n', engine: { kind: 'embedded' } });
  expect(await choice.status()).toMatchObject({ engine: 'embedded', message: expect.stringMatching(/Docker/) });
  await engine.start();
  await until(async () => (await runPython())?.engine.kind === 'docker');
}, 90_000);
