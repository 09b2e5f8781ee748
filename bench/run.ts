import { readdirSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { build } from '../scripts/build.ts';
import { type NeedName, needs, provide } from '../scripts/machine.ts';
import { run } from '../scripts/run.ts';

/*
 * `npm run bench -- NAME ...` runs bench/NAME.ts, or all benchmarks without a name. Numbers after a name are its
 * arguments: `gateway 0.5 2` is quick. Every output line is JSON; the first line describes the machine. The programs that
 * a benchmark needs are set up first, as for `npm test`.
 */

/** Programs that a benchmark needs and that npm does not install. */
const programsOf: Readonly<Record<string, readonly NeedName[]>> = {
  activation: ['chromium'],
  'event-log': ['postgres'],
  'sandbox-embedded': ['bubblewrap'],
  'sandbox-latency': ['docker', 'gvisor'],
  'sandbox-throughput': ['docker'],
  'webview-stream': ['chromium'],
};

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3));
const requested: string[] = [];
const numbers = new Map<string, string[]>();
for (const argument of process.argv.slice(2)) {
  const name = requested.at(-1);
  if (name !== undefined && /^\d/.test(argument)) numbers.set(name, [...(numbers.get(name) ?? []), argument]);
  else requested.push(argument);
}
const unknown = requested.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}. There are: ${names.join(', ')}.`);
  process.exit(2);
}

const processors = cpus();
console.log(
  JSON.stringify({
    bench: 'machine',
    at: new Date().toISOString(),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    node: process.version,
  }),
);
const chosen = requested.length > 0 ? requested : names;
const missing = await provide([...new Set(chosen.flatMap((name) => programsOf[name] ?? []))]);
await build();
for (const name of chosen) {
  const lacking = missing.filter((program) => programsOf[name]?.includes(program.name));
  for (const { name: program, command } of lacking)
    fail(name, `${needs[program].name} is missing. To get it: ${command}`);
  if (lacking.length > 0) continue;
  const args = [join(import.meta.dirname, `${name}.ts`), ...(numbers.get(name) ?? [])];
  const { code } = await run(process.execPath, args, { inherit: true });
  if (code !== 0) fail(name, `ended with code ${code}`);
}

function fail(bench: string, error: string): void {
  console.log(JSON.stringify({ bench, error }));
  process.exitCode = 1;
}
