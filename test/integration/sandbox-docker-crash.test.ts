import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionRecord, ExecutionRequest } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type * as z from 'zod';
import { share } from '../support/deep.ts';
import { dockerClient, type PrivateEngine, startDockerEngine } from '../support/docker-engine.ts';
import { importImages, leftoversOf } from '../support/docker-leftovers.ts';
import { TestServer } from '../support/server.ts';

const long = 'import time\nprint("on", flush=True)\ntime.sleep(25)\nprint("off")';

/** Tests the server and its engine when the other of the two is gone. */
describe('a crash', { timeout: 120_000 }, () => {
  let engine: PrivateEngine;
  let args: string[];
  beforeAll(async () => {
    engine = await startDockerEngine();
    const images = Object.entries(await importImages(engine.host, ['python', 'bash']));
    args = ['--sandbox', 'docker', '--sandbox-concurrency', '6', '--sandbox-queue', '20'];
    args.push('--sandbox-images', images.map(([language, image]) => `${language}=${image}`).join());
  }, 180_000);
  afterAll(() => engine?.[Symbol.asyncDispose](), 60_000);

  const start = () => TestServer.start({ args, env: { DOCKER_HOST: engine.host } });
  const run = (server: TestServer, body: Partial<z.input<typeof ExecutionRequest>>): Promise<ExecutionRecord> =>
    server.client.call('executions.run', { body: { id: crypto.randomUUID(), language: 'python', ...body } });
  /** Returns the number of containers of a server. */
  const running = async ({ dataDir }: TestServer) => {
    const file = join(dataDir, 'server-id');
    const label = `devlm.server=${existsSync(file) ? readFileSync(file, 'utf8').trim() : 'none'}`;
    return (await dockerClient(engine.host).listContainers({ filters: { label: [label] } })).length;
  };
  /** Resolves when a run has printed something. */
  const heard = async (server: TestServer, id: string) => {
    const headers = { authorization: `Bearer ${server.discovery.secret}`, accept: 'text/event-stream' };
    for (let text = ''; ; await sleep(50)) {
      const response = await fetch(`${server.origin}/execute/${id}`, { headers });
      if (!response.ok) continue;
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk;
        if (text.includes('"output"')) return;
      }
    }
  };

  test('a killed server leaves nothing behind after its next start, and another server is not affected', async () => {
    await using other = await start();
    const unharmed = run(other, { source: long, limits: { wallMs: 60_000 } });
    await expect.poll(() => running(other), { timeout: 30_000 }).toBeGreaterThan(0);

    await using server = await start();
    const lost = Array.from({ length: 12 }, (_, i) =>
      run(server, i % 3 ? { source: long } : { language: 'bash', source: 'sleep 25' }).catch(() => 'lost'),
    );
    await expect.poll(() => running(server), { timeout: 60_000 }).toBeGreaterThanOrEqual(6);
    await server.kill('SIGKILL');
    expect(await Promise.all(lost)).toEqual(lost.map(() => 'lost'));
    expect(await running(server)).toBeGreaterThan(0);

    await server.start();
    // Each was busy for 25 seconds, so one that is missing was removed.
    await expect.poll(() => running(server), { timeout: 15_000, interval: 200 }).toBe(0);
    expect(await run(server, { source: 'print(1)' })).toMatchObject({ status: 'ok', stdout: '1\n' });
    await server.kill('SIGTERM');
    expect(await unharmed).toMatchObject({ status: 'ok', stdout: 'on\noff\n' });
    await other.kill('SIGTERM');
    await expect.poll(() => leftoversOf(engine.host), { timeout: 20_000, interval: 200 }).toEqual([]);
  });

  test.for(share(['kill', 'stop'] as const, 2))(
    'an engine that ends during a run (%s) is reported as an error, and works again later',
    async (how) => {
      await using server = await start();
      expect(await run(server, { source: 'print(1)' })).toMatchObject({ status: 'ok' });
      const id = crypto.randomUUID();
      const cut = run(server, { id, source: long, limits: { wallMs: 60_000 } });
      await heard(server, id);

      const stopped = performance.now();
      await engine[how]();
      const record = await cut;
      expect(record).toMatchObject({ status: 'engine-error', exitCode: null });
      expect(record.message).toMatch(/docker/i);
      expect(performance.now() - stopped).toBeLessThan(25_000);
      expect(await run(server, { source: 'print(1)' })).toMatchObject({ status: 'engine-error' });

      await engine.start();
      const served = async () => (await run(server, { source: 'print(2)' })).stdout;
      await expect.poll(served, { timeout: 30_000, interval: 500 }).toBe('2\n');
      await server.kill('SIGTERM');
      await expect.poll(() => leftoversOf(engine.host), { timeout: 20_000, interval: 200 }).toEqual([]);
    },
  );
});
