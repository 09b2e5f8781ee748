import { readdirSync, readFileSync } from 'node:fs';
import type { ExecutionRecord, ExecutionRequest } from '@devlm/protocol/execution.ts';
import { describe, expect, test } from 'vitest';
import type * as z from 'zod';
import { cases } from '../support/deep.ts';
import { startDockerEngine } from '../support/docker-engine.ts';
import { importImages, leftoversOf } from '../support/docker-leftovers.ts';
import { TestServer } from '../support/server.ts';

const runs = cases(28, 1_000);

type Body = Omit<z.input<typeof ExecutionRequest>, 'id'>;

/** All ways in which a run can end, in turn. */
const mix: readonly (Body & { status: ExecutionRecord['status'] })[] = [
  { language: 'python', source: 'print("hello")', status: 'ok' },
  { language: 'bash', source: 'cat; exit 3', stdin: 'x'.repeat(10_000), status: 'failed' },
  { language: 'python', source: 'import os\nif os.fork() == 0:\n  import time; time.sleep(99)', status: 'ok' },
  {
    language: 'python',
    source: 'while True: print("x" * 1000)',
    limits: { outputBytes: 10_000 },
    status: 'output-limit',
  },
  { language: 'bash', source: 'echo x >/sandbox/out/x', status: 'ok' },
  { language: 'python', source: 'while True: pass', limits: { wallMs: 200 }, status: 'timeout' },
  { language: 'bash', source: 'a=x; while :; do a=$a$a; done', status: 'out-of-memory' },
];

describe('many runs', () => {
  test(`${runs} runs leak no memory, handles, processes or containers`, {
    timeout: 60_000 + runs * 1_500,
  }, async () => {
    await using engine = await startDockerEngine();
    const images = Object.entries(await importImages(engine.host, ['python', 'bash']));
    const args = ['--sandbox', 'docker', '--sandbox-concurrency', '4', '--sandbox-queue', '100'];
    args.push('--sandbox-images', images.map(([language, image]) => `${language}=${image}`).join());
    await using server = await TestServer.start({ args, env: { DOCKER_HOST: engine.host } });

    let next = 0;
    const work = async (until: number) => {
      while (next < until) {
        const { status, ...body } = mix[next++ % mix.length] as (typeof mix)[number];
        const record = await server.client.call('executions.run', { body: { id: crypto.randomUUID(), ...body } });
        expect({ status: record.status, message: record.message, of: body.source }).toMatchObject({ status });
      }
    };
    const four = (until: number) => Promise.all([1, 2, 3, 4].map(() => work(until)));
    // After these runs, caches and compiled code exist, which are created only once.
    const warmUp = Math.min(70, Math.ceil(runs / 3));
    await four(warmUp);
    const before = lookAt(server.discovery.pid);
    await four(warmUp + runs);
    // Removals continue for a moment. Warm containers stay.
    await expect.poll(async () => (await leftoversOf(engine.host)).length, { timeout: 20_000 }).toBeLessThanOrEqual(8);
    const after = lookAt(server.discovery.pid);
    console.log(JSON.stringify({ runs, before, after }));
    expect(after.handles).toBeLessThanOrEqual(before.handles + 12);
    expect(after.rssMb).toBeLessThan(before.rssMb + 40 + runs / 20);

    await server.kill('SIGTERM');
    await expect.poll(() => leftoversOf(engine.host), { timeout: 20_000, interval: 200 }).toEqual([]);
  });
});

function lookAt(pid: number): { rssMb: number; handles: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssMb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
  return { rssMb, handles: readdirSync(`/proc/${pid}/fd`).length };
}
