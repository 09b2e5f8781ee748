import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Sandbox } from '../../../server/src/sandbox/sandbox.ts';
import { runProgram } from '../sandboxes.ts';
import type { ParityProgram } from './parity.ts';

/** What is compared of a program's run. */
export interface Outcome {
  readonly stdout: string;
  /** First line of standard error, without the position that Node prints before an uncaught error. */
  readonly stderr: string;
  readonly exitCode: number | null;
}

/** Marks the beginning of a snippet's output. */
const mark = '\u0001';

/** Returns one program that runs snippets one after another. */
export function batchOf(snippets: readonly ParityProgram[]): ParityProgram {
  const files = Object.fromEntries(snippets.map(({ source }, i) => [`snippet-${i}.mjs`, source]));
  const source = `for (let i = 0; i < ${snippets.length}; i++) {
  process.stdout.write('${mark}');
  let timer;
  const late = new Promise((done) => { timer = setTimeout(() => { console.log('never ends'); done(); }, 2000); });
  const run = import('./snippet-' + i + '.mjs').then(() => new Promise((done) => setTimeout(done, 2)));
  await Promise.race([run.catch((error) => console.log('threw', error?.name, error?.code, error?.message)), late]);
  clearTimeout(timer);
}
process.exit(0);`;
  return { name: 'batch', source, files };
}

/** Returns the outcome of each snippet of a batch. */
export function outcomesOf({ stdout, exitCode }: Outcome): Outcome[] {
  return stdout
    .split(mark)
    .slice(1)
    .map((part) => ({ stdout: part, stderr: '', exitCode }));
}

/** Runs a program on the guest of the embedded sandbox. */
export async function runOnGuest(sandbox: Sandbox, program: ParityProgram): Promise<Outcome> {
  const { entry = 'main.mjs', files = {}, source, stdin = '', args = [] } = program;
  const all = Object.entries({ ...files, [entry]: source }).map(([path, content]) => ({ path, content }));
  const { result } = await runProgram(sandbox, { language: 'javascript', files: all, entry, stdin, args: [...args] });
  return { stdout: result.stdout, stderr: firstLine(result.stderr), exitCode: result.exitCode };
}

/** Runs a program on the Node that runs the tests. */
export async function runOnNode(program: ParityProgram): Promise<Outcome> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'devlm-parity-')));
  try {
    const { entry = 'main.mjs', files = {}, source, stdin = '', args = [] } = program;
    for (const [path, content] of Object.entries({ ...files, [entry]: source })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const child = spawn(process.execPath, [entry, ...args], { cwd: folder, env: { PATH: '/usr/bin:/bin' } });
    child.stdin.on('error', () => {}).end(stdin);
    const [stdout, stderr, exitCode] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((done) => child.on('close', done)),
    ]);
    const own = (output: string) => output.replaceAll(folder, '/sandbox');
    return { stdout: own(stdout), stderr: firstLine(own(stderr)), exitCode };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  // Node prints the position, the line of the source and a line of carets before an uncaught error.
  const carets = /^(file:\/\/|\/|node:|<)\S*:\d+$/.test(lines[0] ?? '')
    ? lines.findIndex((line) => /^\s*\^+$/.test(line))
    : -1;
  return (lines[carets + 1] ?? '').replace(/\(node:\d+\)/, '(node:1)');
}
