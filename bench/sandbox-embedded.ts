import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestServer } from '../test/support/server.ts';
import { printer, quantile } from './support/figures.ts';
import { execute } from './support/sandbox.ts';

/*
 * Measures the embedded engine through the server: the first run after a start, later runs, and the memory of a waiting
 * child. Usage: node bench/sandbox-embedded.ts [SAMPLES]
 */

const samples = Number(process.argv[2] ?? 30);
const programs = {
  python: 'print("hello")',
  javascript: 'console.log("hello")',
  typescript: 'const hello: string = "hello"; console.log(hello)',
  ruby: 'puts "hello"',
} as const;
const print = printer('sandbox-embedded');

for (const [language, source] of Object.entries(programs)) {
  await using server = await TestServer.start({
    bundle: new URL('../dist/server.mjs', import.meta.url).pathname,
    args: ['--sandbox', 'embedded'],
  });
  const program = { language, source, acceptOpenNetwork: true };
  // The very first run on a machine also creates files that a runtime keeps, such as its snapshot.
  const first = await execute(server, program);
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    await sleep(1_500);
    times.push((await execute(server, program)).ms);
  }
  await sleep(1_500);
  const of = { language, samples };
  print('first_ms', first.ms, 'ms', of);
  print('next_p50_ms', quantile(times, 0.5), 'ms', of);
  print('next_p95_ms', quantile(times, 0.95), 'ms', of);
  print('memory_mb', memoryBelow(server.discovery.pid), 'MB', of);
}

/** Returns the resident memory of all descendants of a process, in MiB. */
function memoryBelow(pid: number): number {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,rss='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number =>
    rows
      .filter(([, ppid]) => ppid === parent)
      .reduce((sum, [child = 0, , rss = 0]) => sum + rss / 1024 + below(child), 0);
  return below(pid);
}
