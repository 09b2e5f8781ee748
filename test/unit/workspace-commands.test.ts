import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandChunk, CommandOutput } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandRunner } from '../../extension/src/workspace/commands/command-runner.ts';
import { commandEnvironment, findShell } from '../../extension/src/workspace/commands/environment.ts';
import { KeptOutput } from '../../extension/src/workspace/commands/kept-output.ts';

const textOf = (chunks: readonly CommandChunk[], stream?: CommandChunk['stream']) =>
  chunks
    .filter((chunk) => stream === undefined || chunk.stream === stream)
    .map(({ text }) => text)
    .join('');

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie process that has not been reaped counts as ended.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe.skipIf(process.platform === 'win32')('commands of the agent', { timeout: 60_000 }, () => {
  let commands: CommandRunner;
  let folder: string;
  let ids = 0;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'devlm-commands-'));
    commands = new CommandRunner();
  });
  afterEach(() => {
    commands.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (line: string, more: { stdin?: string; open?: boolean; conversationId?: string } = {}): string => {
    const commandId = `c${++ids}`;
    commands.start({ commandId, conversationId: 'one', line, cwd: null, stdin: '', open: false, ...more }, folder);
    return commandId;
  };
  const until = async (commandId: string, enough: (output: CommandOutput) => boolean): Promise<CommandOutput> => {
    for (const deadline = Date.now() + 40_000; ; ) {
      const output = await commands.poll(commandId, 0, 0);
      if (enough(output)) return output;
      if (Date.now() > deadline) throw new Error(`not reached: ${JSON.stringify(output).slice(0, 2_000)}`);
      await commands.poll(commandId, output.next, 500);
    }
  };
  const ended = (commandId: string) => until(commandId, ({ state }) => state === 'ended');
  const run = async (line: string, more?: Parameters<typeof start>[1]) => await ended(start(line, more));

  it.each([
    ['true', { exitCode: 0, signal: null }],
    ['exit 7', { exitCode: 7, signal: null }],
    ['(exit 3) | cat', { exitCode: 0, signal: null }],
    ['no-such-program-at-all', { exitCode: 127, signal: null }],
    ['kill -TERM $$', { exitCode: null, signal: 'SIGTERM' }],
    ['kill -SEGV $$', { exitCode: null, signal: 'SIGSEGV' }],
  ])('a command reports how it ended: %s', async (line, end) => {
    expect(await run(line)).toMatchObject({ state: 'ended', stopped: false, failure: null, ...end });
  });

  it('a command runs in the requested folder, with separate output streams', async () => {
    const { chunks } = await run('pwd; echo oops >&2');
    expect(textOf(chunks, 'stdout').trim()).toBe(folder);
    expect(textOf(chunks, 'stderr')).toBe('oops\n');
  });

  it('a command has no terminal, and its input ends unless it is kept open', async () => {
    expect(textOf((await run('test -t 0 || test -t 1 || echo none; cat')).chunks)).toBe('none\n');
    expect(textOf((await run('cat; echo end', { stdin: 'given' })).chunks)).toBe('givenend\n');
    const id = start('read a; echo "got $a"; cat', { open: true });
    commands.write(id, 'one\n', false);
    await until(id, ({ chunks }) => textOf(chunks) === 'got one\n');
    commands.write(id, 'two', true);
    expect(textOf((await ended(id)).chunks)).toBe('got one\ntwo');
    expect(() => commands.write(id, 'three', false)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'input_closed' }) }),
    );
  });

  it('characters that arrive in two pieces are kept whole', async () => {
    const { chunks } = await run(
      "printf '\\360\\237'; sleep 0.2; printf '\\230\\200 \\303'; sleep 0.2; printf '\\251'",
    );
    expect(textOf(chunks)).toBe('😀 é');
  });

  it('commands do not see the secrets of DevLM, Claude and the editor', async () => {
    const env = { ...process.env, ANTHROPIC_API_KEY: 'sk-1', DEVLM_SECRET: 's-2', VSCODE_IPC_HOOK_CLI: '/x-3' };
    commands = new CommandRunner({ env: { ...env, ELECTRON_RUN_AS_NODE: '1', claude_token: 't-4', OTHER: 'kept' } });
    const text = textOf((await run('env')).chunks);
    expect(text).toContain('OTHER=kept\n');
    expect(text).not.toMatch(/sk-1|s-2|x-3|t-4|ELECTRON_RUN_AS_NODE/);
    expect(commandEnvironment({ PATH: '/bin', Anthropic_Api_Key: 'x' })).not.toHaveProperty('Anthropic_Api_Key');
  });

  it('a command is started once under its id', async () => {
    const id = start('echo x >>log; sleep 0.2');
    const again = { commandId: id, conversationId: 'one', line: 'echo y >>log', cwd: null, stdin: '', open: false };
    expect(commands.start(again, folder).state).toBe('running');
    await ended(id);
    expect(commands.start(again, folder)).toMatchObject({ state: 'ended', exitCode: 0 });
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('x\n');
  });

  it('stopping a command ends all its processes, even those that ignore signals', async () => {
    const id = start(`trap '' TERM; (trap '' TERM; sleep 300) & echo $! >pid; echo ready; while :; do sleep 1; done`);
    await until(id, ({ chunks }) => textOf(chunks).includes('ready'));
    const child = Number(readFileSync(join(folder, 'pid'), 'utf8'));
    expect(isAlive(child)).toBe(true);
    expect(await commands.stop(id)).toMatchObject({ state: 'ended', exitCode: null, signal: 'SIGKILL', stopped: true });
    await expect.poll(() => isAlive(child)).toBe(false);
  });

  it('a stopped command has time to clean up', async () => {
    const id = start(`trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done`);
    await until(id, ({ chunks }) => textOf(chunks).includes('ready'));
    expect(await commands.stop(id)).toMatchObject({ exitCode: 5, stopped: true });
    expect(textOf((await commands.poll(id, 0, 0)).chunks, 'stdout')).toBe('ready\nbye\n');
  });

  it('a command that ends leaves no processes behind', async () => {
    const { exitCode, wallMs } = await run('sleep 300 & echo $! >pid; exit 0');
    expect(exitCode).toBe(0);
    expect(wallMs).toBeLessThan(20_000);
    await expect.poll(() => isAlive(Number(readFileSync(join(folder, 'pid'), 'utf8')))).toBe(false);
  });

  it('a command ends although an escaped process holds its output open', async () => {
    const id = start('setsid sleep 60 & echo $! >pid; echo done');
    expect(await ended(id)).toMatchObject({ exitCode: 0 });
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
  });

  it('endless output is bounded to its beginning and its end', async () => {
    const before = process.memoryUsage().rss;
    const id = start('echo first; yes 0123456789; echo never');
    await until(id, ({ next }) => next > 30_000_000);
    await commands.stop(id);
    const { chunks, next } = await commands.poll(id, 0, 0);
    const text = textOf(chunks);
    expect(text.startsWith('first\n0123456789\n')).toBe(true);
    expect(text.length).toBeLessThanOrEqual(limits.commandHeadChars + limits.commandTailChars);
    const last = chunks.at(-1);
    expect(last && last.at + last.text.length).toBe(next);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });

  it('the number of commands is bounded, and those of a conversation stop together', async () => {
    for (let i = 0; i < limits.commands; i++) start('sleep 300', { conversationId: i === 0 ? 'other' : 'one' });
    expect(() => start('true')).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'too_many_commands' }) }),
    );
    expect(await commands.stopAll('one')).toEqual({ stopped: limits.commands - 1 });
    expect(await commands.poll('c-unknown', 0, 0).catch((error) => error.problem.code)).toBe('not_found');
    expect(await commands.stopAll('other')).toEqual({ stopped: 1 });
  });

  it('a command that cannot start says why', async () => {
    const id = `c${++ids}`;
    const state = { commandId: id, conversationId: 'one', line: 'true', cwd: null, stdin: '', open: false };
    commands.start(state, join(folder, 'nowhere'));
    expect(await ended(id)).toMatchObject({ exitCode: null, failure: expect.stringContaining('ENOENT') });
  });

  it('commands are killed when their parent process ends in any way', async () => {
    const source = `
      const { CommandRunner } = await import(${JSON.stringify(join(import.meta.dirname, '../../extension/src/workspace/commands/command-runner.ts'))});
      new CommandRunner().start({ commandId: 'c', conversationId: 'c', line: "trap '' TERM HUP; (trap '' TERM HUP; sleep 300) & echo $! >child; echo $$ >shell; while :; do sleep 1; done", cwd: null, stdin: '', open: true }, ${JSON.stringify(folder)});
      setInterval(() => {}, 1000);`;
    writeFileSync(join(folder, 'host.mjs'), source);
    const host = spawn(process.execPath, [join(folder, 'host.mjs')], { stdio: 'ignore' });
    await expect.poll(() => existsSync(join(folder, 'shell')), { timeout: 20_000 }).toBe(true);
    await expect.poll(() => readFileSync(join(folder, 'shell'), 'utf8'), { timeout: 5_000 }).toMatch(/\d\n/);
    const pids = ['shell', 'child'].map((name) => Number(readFileSync(join(folder, name), 'utf8')));
    expect(pids.map(isAlive)).toEqual([true, true]);
    const exited = once(host, 'exit');
    host.kill('SIGKILL');
    await exited;
    await expect.poll(() => pids.map(isAlive), { timeout: 20_000 }).toEqual([false, false]);
  });

  it('commands run in bash if it is installed', () => {
    expect(findShell({ PATH: '/nowhere' }).name).toMatch(/^(ba)?sh$/);
    expect(findShell({}, 'win32').name).toBe('powershell');
  });

  it('a poll waits no longer than requested', async () => {
    const id = start('sleep 300');
    const began = performance.now();
    expect(await commands.poll(id, 0, 100)).toMatchObject({ state: 'running', chunks: [], next: 0 });
    expect(performance.now() - began).toBeGreaterThan(90);
    await sleep(1);
  });
});

describe('kept output', () => {
  it('kept output returns what is new, and shows what is missing', () => {
    const output = new KeptOutput({ head: 4, tail: 4 });
    output.add('stdout', 'abcdef');
    output.add('stderr', 'gh');
    expect(output.since(0)).toEqual([
      { at: 0, stream: 'stdout', text: 'abcd' },
      { at: 4, stream: 'stdout', text: 'ef' },
      { at: 6, stream: 'stderr', text: 'gh' },
    ]);
    output.add('stdout', 'ijk');
    expect(output.since(3)).toEqual([
      { at: 3, stream: 'stdout', text: 'd' },
      { at: 7, stream: 'stderr', text: 'h' },
      { at: 8, stream: 'stdout', text: 'ijk' },
    ]);
    expect(output.since(11)).toEqual([]);
    expect(output.next).toBe(11);
  });

  it('kept output never cuts a character in two', () => {
    const output = new KeptOutput({ head: 3, tail: 3 });
    output.add('stdout', '😀😀😀😀');
    expect(output.since(0).every(({ text }) => text.isWellFormed())).toBe(true);
    expect(output.next).toBe(8);
  });
});
