import { cutOutput, ExecutionRequest, languageOf, outputOf } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { describe, expect, test } from 'vitest';
import { commandOf, prepareJob } from '../../server/src/sandbox/job.ts';
import { OutputCollector } from '../../server/src/sandbox/output.ts';
import type { RunEvent } from '../../server/src/sandbox/sandbox.ts';
import { caps, executed, executionRequest, job } from '../support/executions.ts';

const prepare = (asked: Parameters<typeof executionRequest>[0]) => prepareJob(executionRequest(asked), caps);
const refusal = (asked: Parameters<typeof executionRequest>[0]): string => {
  try {
    prepare(asked);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem.detail;
    throw error;
  }
  return 'accepted';
};

describe('a request', () => {
  test('a request accepts the usual names of languages', () => {
    expect(['golang', 'PY', ' js ', 'C++', 'sh', 'cobol', 'constructor'].map(languageOf)).toEqual([
      'go',
      'python',
      'javascript',
      'cpp',
      'bash',
      null,
      null,
    ]);
  });

  test.each([
    '../up',
    'a/../../b',
    '/etc/passwd',
    'a//b',
    './a',
    'a/.',
    '..',
    'a\\..\\b',
    'a\0b',
    'a\nb',
    '',
    `${'x'.repeat(256)}`,
    'x/'.repeat(300),
  ])('the input path %j is refused', (path) => {
    const body = { id: 'i', language: 'python', files: [{ path, content: '' }] };
    expect(ExecutionRequest.safeParse(body).success).toBe(false);
    expect(ExecutionRequest.safeParse({ id: 'i', language: 'python', source: '', entry: path }).success).toBe(false);
  });

  test('a request without anything to run is rejected', () => {
    expect(ExecutionRequest.safeParse({ id: 'i', language: 'python' }).success).toBe(false);
    expect(ExecutionRequest.safeParse({ id: 'i', language: 'cobol', source: '' }).success).toBe(false);
    expect(ExecutionRequest.safeParse({ id: 'i', language: 'python', source: '', env: { 'A=B': '' } }).success).toBe(
      false,
    );
  });
});

describe('a job', () => {
  test('a job gets its file name, command and limits from the language', () => {
    const made = job({ source: 'print(1)', args: ['a b'], limits: { wallMs: 1_000 } });
    expect(made.files.map(({ path }) => path)).toEqual(['main.py']);
    expect(commandOf(made)).toEqual(['python3', 'main.py', 'a b']);
    expect(made.limits).toMatchObject({ memoryMb: 50, cpus: 0.5, wallMs: 1_000 });
  });

  test('a job gets the files that its language requires, and keeps its own files', () => {
    expect(job({ language: 'go', source: 'package main' }).files.map(({ path }) => path)).toEqual([
      'main.go',
      'go.mod',
    ]);
    const own = job({
      language: 'go',
      files: [
        { path: 'go.mod', content: 'module own' },
        { path: 'main.go', content: '' },
      ],
    });
    expect(own.files).toHaveLength(2);
  });

  test('a job runs the named entry, the default entry, or the only file', () => {
    const files = [
      { path: 'a.py', content: '' },
      { path: 'main.py', content: '' },
    ];
    expect(job({ files, entry: 'a.py' }).run).toMatchObject({ entry: 'a.py' });
    expect(job({ files }).run).toMatchObject({ entry: 'main.py' });
    expect(job({ files: files.slice(0, 1) }).run).toMatchObject({ entry: 'a.py' });
    expect(job({ source: '', entry: 'x.py' }).run).toMatchObject({ entry: 'x.py' });
  });

  test.each([
    [{ files: [{ path: 'a.py', content: '' }], entry: 'b.py' }, 'body.entry: the file b.py does not exist.'],
    [
      { files: ['a', 'b'].map((path) => ({ path, content: '' })) },
      'body.entry: name the file to run, or add a file named main.py.',
    ],
    [{ files: ['a', 'a'].map((path) => ({ path, content: '' })) }, 'body.files.1.path: a occurs twice.'],
    [{ files: ['a', 'a/b'].map((path) => ({ path, content: '' })) }, 'body.files: a is both a file and a folder.'],
    [
      { files: [{ path: 'a', content: 'no base64', encoding: 'base64' as const }] },
      'body.files.0.content: it is not valid base64.',
    ],
    [{ limits: { memoryMb: 60_000 } }, 'body.limits.memoryMb: the maximum on this server is 2048.'],
    [{ stdin: 'x'.repeat(limits.executionInputBytes) }, 'body.files: the program and its input are larger than 16 MB.'],
  ])('an invalid request is rejected with the name of the field: %#', (asked, detail) => {
    expect(refusal(asked)).toBe(detail);
  });

  test('the hash of a job is independent of the order of its inputs, and differs with anything that matters', () => {
    const files = ['main.py', 'b.py'].map((path) => ({ path, content: path }));
    const base = { files, env: { A: '1', B: '2' } };
    const hash = prepare(base).inputHash;
    expect(prepare({ files: files.toReversed(), env: { B: '2', A: '1' } }).inputHash).toBe(hash);
    const others = [
      { ...base, stdin: 'x' },
      { ...base, env: { A: '1' } },
      { ...base, args: ['x'] },
      { ...base, limits: { wallMs: 99 } },
      { ...base, language: 'ruby', entry: 'main.py' },
      { ...base, network: { allow: ['example.com'] } },
      { ...base, files: [...files, { path: 'c', content: '' }] },
    ];
    expect(new Set([hash, ...others.map((asked) => prepare(asked).inputHash)]).size).toBe(others.length + 1);
  });
});

describe('output', () => {
  const bytes = (text: string) => Buffer.from(text);

  test('both outputs are separate and in order, and no character is split', () => {
    const heard: RunEvent[] = [];
    const output = new OutputCollector(1_000, (event) => heard.push(event));
    const [first, second] = [bytes('ü').subarray(0, 1), bytes('ü').subarray(1)];
    output.write('stdout', first);
    output.write('stderr', bytes('!'));
    output.write('stdout', second);
    output.write('stdout', bytes('x'));
    output.write('stderr', Uint8Array.of(0xff));
    const end = output.end();
    expect(end).toEqual({
      stdout: 'üx',
      stderr: '!\ufffd',
      order: [
        { stream: 'stderr', chars: 1 },
        { stream: 'stdout', chars: 2 },
        { stream: 'stderr', chars: 1 },
      ],
      truncated: { stdout: false, stderr: false },
    });
    expect(outputOf(end).map(({ text }) => text)).toEqual(['!', 'üx', '\ufffd']);
    expect(heard.map((event) => event.type === 'output' && event.text).join('')).toBe('!üx\ufffd');
  });

  test('output is truncated at the limit of both streams together', () => {
    const output = new OutputCollector(5, () => {});
    expect(output.write('stdout', bytes('123'))).toBe(true);
    expect(output.write('stderr', bytes('456'))).toBe(false);
    expect(output.write('stdout', bytes('7'))).toBe(false);
    expect(output.end()).toMatchObject({
      stdout: '123',
      stderr: '45',
      truncated: { stdout: true, stderr: true },
    });
  });

  test('the output of a record can be shortened for a list', () => {
    const order = [
      { stream: 'stdout' as const, chars: 2 },
      { stream: 'stderr' as const, chars: 2 },
      { stream: 'stdout' as const, chars: 2 },
    ];
    const { record } = executed({}, { stdout: 'abef', stderr: 'cd', order });
    const cut = cutOutput(record, 3);
    expect(outputOf(cut).map(({ text }) => text)).toEqual(['ab', 'c']);
    expect(cut.truncated).toEqual({ stdout: true, stderr: true });
    expect(cutOutput(record, 6)).toBe(record);
  });
});
