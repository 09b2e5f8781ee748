import type { Language } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../server/src/sandbox/sandbox.ts';
import { inTurn } from '../support/deep.ts';
import { type OpenSandbox, openSandbox, runProgram, sandboxKinds } from '../support/sandboxes.ts';

/** Tests what an engine reports about itself, what it refuses, and that each limit is the requested one. */
describe.each(sandboxKinds)('%s', (kind) => {
  let open: OpenSandbox;
  let sandbox: Sandbox;
  beforeAll(async () => {
    open = await openSandbox(kind, kind === 'docker' ? ['python', 'bash', 'c'] : ['python', 'bash']);
    sandbox = open.sandbox;
  }, 180_000);
  afterAll(() => open?.[Symbol.asyncDispose](), 60_000);
  /** gVisor uses the adapter of Docker, so a share of the tests is enough. */
  const turn = inTurn(kind === 'gvisor' ? 3 : 1);
  const check = (name: string, body: () => Promise<void>) => turn(() => test(name, body));

  check('the sandbox reports the languages that it can run', async () => {
    const status = await sandbox.status();
    expect(status).toMatchObject({ available: true, networkCut: true });
    expect(status.message).toMatch(/\w/);
    const python = status.languages.find(({ language }) => language === 'python');
    expect(python).toMatchObject({ state: 'ready', message: null });
    expect(python?.runs).toMatch(kind === 'embedded' ? /pyodide/i : /devlm-test-python/);
  });

  check('an unavailable language is an error that says what to do', async () => {
    const cannot: Language[] = kind === 'embedded' ? ['go', 'bash', 'c', 'cpp', 'rust', 'java'] : ['rust'];
    for (const language of cannot) {
      const { result, tookMs } = await runProgram(sandbox, { language, source: 'x' });
      expect(result).toMatchObject({ status: 'engine-error', stdout: '', stderr: '' });
      expect(result.message).toMatch(kind === 'embedded' ? /Docker/ : /rust/);
      expect(tookMs).toBeLessThan(25_000);
    }
  });

  check('a missing command fails, or is refused with a reason', async () => {
    const { result } = await runProgram(sandbox, { language: 'python', command: ['no-such-program', 'x'] });
    if (kind === 'embedded') expect(result).toMatchObject({ status: 'engine-error' });
    else expect(result).toMatchObject({ status: 'failed', exitCode: 127 });
  });

  check('a program gets the requested memory and no more', async () => {
    const source = 'kept = [b"x" * (1 << 20) + bytes([i]) for i in range(150)]\nprint(len(kept))';
    const enough = await runProgram(sandbox, { language: 'python', source, limits: { memoryMb: 400 } });
    expect(enough.result).toMatchObject({ status: 'ok', stdout: '150\n' });
    if (kind !== 'embedded') {
      const peak = enough.result.peakMemoryBytes;
      if (peak !== null) expect(peak).toBeGreaterThan(150 * 1024 * 1024);
    }
    const short = await runProgram(sandbox, { language: 'python', source, limits: { memoryMb: 100 } });
    expect(short.result.status).toBe('out-of-memory');
  });

  check('a program ends close to its time limit', async () => {
    const source = 'import time\nprint("ready", flush=True)\ntime.sleep(60)';
    const { result } = await runProgram(sandbox, { language: 'python', source, limits: { wallMs: 1_500 } });
    expect(result).toMatchObject({ status: 'timeout', stdout: 'ready\n' });
    expect(result.wallMs).toBeLessThan(3_500);
  });

  check('the output limit counts the bytes of both streams together', async () => {
    const source = 'import sys\nfor i in range(10**6):\n  print("é" * 50)\n  print("e" * 100, file=sys.stderr)';
    const { result } = await runProgram(sandbox, { language: 'python', source, limits: { outputBytes: 10_001 } });
    expect(result.status).toBe('output-limit');
    const bytes = Buffer.byteLength(result.stdout.replace('\ufffd', '?')) + Buffer.byteLength(result.stderr);
    expect(bytes).toBeLessThanOrEqual(10_001);
    expect(bytes).toBeGreaterThan(9_990);
    const exact = await runProgram(sandbox, {
      language: 'python',
      source: 'print("x" * 99)',
      limits: { outputBytes: 100 },
    });
    expect(exact.result).toMatchObject({ status: 'ok', truncated: { stdout: false } });
    const none = await runProgram(sandbox, { language: 'python', source: 'print("x")', limits: { outputBytes: 0 } });
    expect(none.result).toMatchObject({ status: 'output-limit', stdout: '' });
  });

  check('artifacts that are too many or too large are left out and reported', async () => {
    const many = 'for i in range(60):\n  open(f"/sandbox/out/{i:03}", "w").write(str(i))';
    const { result } = await runProgram(sandbox, { language: 'python', source: many });
    expect(result).toMatchObject({ status: 'ok', artifactsTruncated: true });
    expect(result.artifacts).toHaveLength(50);
    const large = 'open("/sandbox/out/a", "w").write("small")\nopen("/sandbox/out/b", "wb").write(b"x" * 9_000_000)';
    const cut = await runProgram(sandbox, { language: 'python', source: large, limits: { memoryMb: 256 } });
    expect(cut.result).toMatchObject({ status: 'ok', artifactsTruncated: true });
    expect(cut.result.artifacts.map(({ path }) => path)).toEqual(['a']);
  });

  if (kind === 'embedded') return;

  check('a child that ran out of memory is reported, whatever its parent reports', async () => {
    const source = '(a=x; while :; do a=$a$a; done)\necho survived\nexit 0';
    const { result } = await runProgram(sandbox, { language: 'bash', source });
    if (kind !== 'gvisor') expect(result).toMatchObject({ status: 'out-of-memory', stdout: 'survived\n' });
    // The whole sandbox may end with the child, and the engine then does not always know the reason.
    else if (result.status !== 'out-of-memory') expect(result.message).toMatch(/gVisor ran out of memory/);
  });

  check('the record of a program that a signal ended names the signal', async () => {
    const { result } = await runProgram(sandbox, { language: 'python', source: 'import os\nos.kill(os.getpid(), 11)' });
    expect(result).toMatchObject({ status: 'failed', exitCode: 139, signal: 'SIGSEGV' });
  });

  check('a program gets no more processes than requested', async () => {
    const source = `import os, sys
made = 0
try:
    while made < 30:
        if os.fork() == 0:
            import time; time.sleep(5); os._exit(0)
        made += 1
except OSError:
    pass
print(made, flush=True)
os._exit(0)`;
    const { result } = await runProgram(sandbox, {
      language: 'python',
      source,
      limits: { processes: 8, memoryMb: 256 },
    });
    // The threads of gVisor count too. Without room for them, the whole of gVisor ends.
    if (kind === 'gvisor' && result.status !== 'ok') return expect(result.status).toMatch(/failed|engine-error/);
    expect(result.status).toBe('ok');
    expect(Number(result.stdout)).toBeGreaterThan(0);
    expect(Number(result.stdout)).toBeLessThan(kind === 'gvisor' ? 31 : 8);
  });

  check('a program can write no file larger than requested', async () => {
    const source = 'open("big", "wb").write(b"x" * 3_000_000)';
    const { result } = await runProgram(sandbox, { language: 'python', source, limits: { fileBytes: 1_000_000 } });
    expect(result.status).toBe('failed');
    const fits = await runProgram(sandbox, { language: 'python', source, limits: { fileBytes: 4_000_000 } });
    expect(fits.result.status).toBe('ok');
  });

  check('a program gets no more processors than requested', async () => {
    const source =
      'import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\nprint(time.process_time())';
    const { result } = await runProgram(sandbox, { language: 'python', source, limits: { cpus: 0.2 } });
    expect(result.status).toBe('ok');
    // Processes of gVisor have their own clock.
    if (kind === 'docker') expect(Number(result.stdout)).toBeLessThan(0.75);
    if (result.cpuMs !== null) expect(result.cpuMs).toBeLessThan(1_200);
  });

  if (kind !== 'docker') return;

  check('a language with only a row in the table compiles and runs: C', async () => {
    const source = '#include <stdio.h>\n#include <math.h>\nint main(void) { printf("%.3f\\n", sqrt(2.0)); return 0; }';
    const { result } = await runProgram(sandbox, { language: 'c', source });
    expect(result).toMatchObject({ status: 'ok', stdout: '1.414\n' });
  });
});
