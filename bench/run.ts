import { readdirSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { run } from '../scripts/run.ts';

/*
 * `npm run bench -- NAME ...` runs bench/NAME.ts, all of them without a name. Numbers after a name are its arguments:
 * `gateway 0.5 2` is quick. Every line is JSON; the first says on which machine.
 */

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3));
const wanted: string[] = [];
const numbers = new Map<string, string[]>();
for (const word of process.argv.slice(2)) {
  const name = wanted.at(-1);
  if (name !== undefined && /^\d/.test(word)) numbers.set(name, [...(numbers.get(name) ?? []), word]);
  else wanted.push(word);
}
const unknown = wanted.filter((name) => !names.includes(name));
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
for (const name of wanted.length > 0 ? wanted : names) {
  const args = [join(import.meta.dirname, `${name}.ts`), ...(numbers.get(name) ?? [])];
  const { code } = await run(process.execPath, args, { inherit: true });
  if (code !== 0) {
    console.log(JSON.stringify({ bench: name, error: `ended with code ${code}` }));
    process.exitCode = 1;
  }
}
