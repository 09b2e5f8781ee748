import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Language } from '@devlm/protocol/execution.ts';
import { findDocker, onPath } from '../scripts/machine.ts';
import { printer, quantile } from './support/figures.ts';
import { execute, startSandboxServer } from './support/sandbox.ts';

/*
 * Measures the time from a request to its record over HTTP, compared with the Docker command line and the plain
 * interpreter in the same run. "Cold" is the same server without warm containers. Samples alternate, so that drift of the
 * machine affects all of them. Usage: node bench/sandbox-latency.ts [SAMPLES]
 */

const samples = Number(process.argv[2] ?? 40);
const programs: Partial<Record<Language, { source: string; bare: string[]; inImage: string[] }>> = {
  python: { source: 'print("hello")', bare: ['python3', '-'], inImage: ['python3', '-'] },
  javascript: { source: 'console.log("hello")', bare: ['node', '-'], inImage: ['node', '-'] },
  ruby: { source: 'puts "hello"', bare: ['ruby', '-'], inImage: ['ruby', '-'] },
  go: {
    source: 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello") }\n',
    bare: ['sh', '-c', 'd=$(mktemp -d) && cat > $d/main.go && go run $d/main.go; rm -r $d'],
    inImage: ['sh', '-c', 'cat > /tmp/main.go && go run /tmp/main.go'],
  },
};

const languages = Object.keys(programs) as Language[];
const docker = findDocker();
await using warm = await startSandboxServer(languages);
await using cold = await startSandboxServer(languages, { engine: warm.engine, args: ['--sandbox-warm-max', '0'] });
const print = printer('sandbox-latency');

/** Runs a program on the host. Returns its duration in milliseconds. */
async function timed(command: readonly string[], input: string): Promise<number> {
  const started = performance.now();
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let error = '';
  child.stderr.on('data', (data: Buffer) => {
    error += data.toString();
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command.join(' ')}: ${error}`);
  return performance.now() - started;
}

for (const language of languages) {
  const program = programs[language];
  const image = warm.images[language];
  if (!program || !image) continue;
  const figures = { warm: [] as number[], cold: [] as number[], docker: [] as number[], bare: [] as number[] };
  const limits = ['--network=none', '--read-only', '--tmpfs=/tmp:exec', '--memory=512m', '--pids-limit=256', '-i'];
  const dockerRun = ['docker', `--host=${warm.engine.host}`, 'run', '--rm', ...limits, image, ...program.inImage];
  const hasBare = language === 'go' ? onPath('go') : onPath(program.bare[0] ?? '');
  for (let i = -3; i < samples; i++) {
    const one = {
      warm: await execute(warm.server, { language, source: program.source }),
      cold: await execute(cold.server, { language, source: program.source }),
    };
    if (!one.warm.record.engine?.warm && i >= 0) console.error(`${language}: sample ${i} was not warm`);
    const byDocker = docker ? await timed(dockerRun, program.source) : Number.NaN;
    const bare = hasBare ? await timed(program.bare, program.source) : Number.NaN;
    // The pool is refilled in the background. A user's next run comes later than this.
    await sleep(language === 'go' ? 600 : 300);
    if (i < 0) continue;
    figures.warm.push(one.warm.ms);
    figures.cold.push(one.cold.ms);
    figures.docker.push(byDocker);
    figures.bare.push(bare);
  }
  const of = { language, samples };
  print('warm_p50_ms', quantile(figures.warm, 0.5), 'ms', of);
  print('warm_p95_ms', quantile(figures.warm, 0.95), 'ms', of);
  print('cold_p50_ms', quantile(figures.cold, 0.5), 'ms', of);
  print('docker_run_p50_ms', quantile(figures.docker, 0.5), 'ms', of);
  if (hasBare) print('bare_p50_ms', quantile(figures.bare, 0.5), 'ms', of);
  print('warm_to_docker_run', quantile(figures.warm, 0.5) / quantile(figures.docker, 0.5), 'ratio', of);
}
