import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { dockerClient } from '../test/support/docker-engine.ts';
import { printer } from './support/figures.ts';
import { execute, startSandboxServer } from './support/sandbox.ts';

/*
 * Measures the throughput of concurrent Python programs through the server with its queue, compared with the engine
 * alone: create, start, attach, wait and remove, without warm containers.
 */

const runs = Number(process.argv[2] ?? 96);
await using sandbox = await startSandboxServer(['python']);
const { server, engine, images } = sandbox;
const docker = dockerClient(engine.host);
const image = images.python ?? '';
const print = printer('sandbox-throughput');

/** Runs `work` `runs` times with a given concurrency. Returns the runs per second and the number of failures. */
async function load(concurrency: number, work: () => Promise<unknown>): Promise<{ perSecond: number; failed: number }> {
  let remaining = Math.max(runs, concurrency);
  const total = remaining;
  let failed = 0;
  const started = performance.now();
  const worker = async () => {
    while (remaining-- > 0) {
      await work().catch((error: unknown) => {
        failed++;
        console.error(error);
      });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { perSecond: (total / (performance.now() - started)) * 1_000, failed };
}

async function coldRun(): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['python3', '-c', 'print("hello")'],
    NetworkDisabled: true,
    AttachStdout: true,
    HostConfig: { NetworkMode: 'none', Memory: 50 * 1024 * 1024, LogConfig: { Type: 'none', Config: {} } },
  });
  const output = await container.attach({ stream: true, stdout: true });
  output.resume();
  await container.start();
  await container.wait();
  await container.remove({ force: true });
}

for (const concurrency of [1, 4, 16, 64]) {
  const program = { language: 'python', source: 'print("hello")' };
  const ours = await load(concurrency, () => execute(server, program));
  const cold = await load(concurrency, coldRun);
  print('runs_per_s', ours.perSecond, '1/s', { concurrency, runs });
  print('failed', ours.failed, 'runs', { concurrency, runs });
  print('cold_runs_per_s', cold.perSecond, '1/s', { concurrency, runs });
}

// Measures the memory of a waiting container: its own, and that of the engine's shim.
await sleep(3_000);
const waiting = await docker.listContainers({ filters: { label: ['devlm.server'] } });
let bytes = 0;
for (const { Id } of waiting) {
  const stats = await docker.getContainer(Id).stats({ stream: false });
  bytes += stats.memory_stats.usage;
  const shims = execFileSync('sh', ['-c', `pgrep -f -- "containerd-shim.*${Id}" || true`], { encoding: 'utf8' });
  for (const pid of shims.split('\n').filter(Boolean)) {
    const rss = execFileSync('sh', ['-c', `awk '/^VmRSS/ {print $2}' /proc/${pid}/status || true`], {
      encoding: 'utf8',
    });
    bytes += Number(rss.trim() || 0) * 1024;
  }
}
print('idle_mb_per_container', bytes / Math.max(1, waiting.length) / 2 ** 20, 'MB', { containers: waiting.length });
