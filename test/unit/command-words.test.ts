import type { CommandState } from '@devlm/protocol/commands.ts';
import { shownText } from '@devlm/workspace-core/shown-text.ts';
import { describe, expect, it } from 'vitest';
import { outputWords, stateWords } from '../../server/src/workspace/commands.ts';
import { commandNote } from '../../webview-ui/src/state/command-words.ts';
import { toolWords } from '../../webview-ui/src/state/tool-words.ts';

const ended: CommandState = {
  state: 'ended',
  exitCode: 0,
  signal: null,
  stopped: false,
  failure: null,
  wallMs: 1_234,
};

describe('the description of a command for the model', () => {
  it.each([
    [{}, 'ended with exit code 0 (1.2 s)'],
    [{ exitCode: null, signal: 'SIGSEGV' }, 'was terminated by SIGSEGV (1.2 s)'],
    [{ exitCode: null, signal: 'SIGTERM', stopped: true }, 'was stopped and was terminated by SIGTERM (1.2 s)'],
    [{ state: 'running', exitCode: null }, 'is still running (1.2 s)'],
    [{ exitCode: null, failure: 'spawn ENOENT' }, 'could not be started: spawn ENOENT'],
  ] as const)('the description of a command for the model says how it ended: %j', (state, words) => {
    expect(stateWords({ ...ended, ...state })).toBe(words);
  });

  it('the description of output separates the streams and marks missing characters', () => {
    const chunks = [
      { at: 0, stream: 'stdout', text: 'a\n' },
      { at: 2, stream: 'stderr', text: 'x\n' },
      { at: 4, stream: 'stdout', text: 'b\n' },
      { at: 106, stream: 'stdout', text: 'z\n' },
    ] as const;
    expect(outputWords({ chunks: [...chunks], next: 108 })).toBe(
      'stdout:\na\nb\n\n[...]\nz\nstderr:\nx\n(100 characters in between were omitted.)',
    );
    expect(outputWords({ chunks: [], next: 5 }, 5)).toBe('It printed nothing.');
    expect(outputWords({ chunks: [{ at: 50, stream: 'stdout', text: 'late' }], next: 54 }, 10)).toBe(
      'stdout:\nlate\n(40 characters in between were omitted.)',
    );
  });

  it.each([
    ['\x1b[1;31mred\x1b[0m\n', 'red\n'],
    ['10%\r50%\r100%\n', '100%\n'],
    ['dos\r\nlines\r\n', 'dos\nlines\n'],
    ['a\0b\x07c\ttab', 'abc\ttab'],
    ['\x1b]0;title\x07text', 'text'],
  ])('the description of output is what a terminal would show: %j', (printed, shown) => {
    expect(shownText(printed)).toBe(shown);
  });

  it('a very long line is described in bounded time', () => {
    const started = performance.now();
    shownText('x'.repeat(200_000));
    shownText('\r'.repeat(200_000));
    shownText('\x1b['.repeat(100_000));
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('the description of a command in the chat', () => {
  const news = { id: 'c', windowId: 'w', line: 'x', cwd: null, seen: 0, ...ended };
  it.each([
    [{}, ''],
    [{ exitCode: 3 }, 'exit code 3'],
    [{ exitCode: null, signal: 'SIGKILL' }, 'ended by SIGKILL'],
    [{ state: 'running', exitCode: null }, 'in the background'],
  ] as const)('the note about a command says how it ended: %j', (state, words) => {
    expect(commandNote({ ...news, ...state })).toBe(words);
  });

  it.each([
    [
      'run_command',
      { command: 'npm test', cwd: 'web' },
      { verb: 'Run', about: 'npm test', code: true, note: 'in web' },
    ],
    ['run_command', { command: 'npm test', rehearse: true }, { verb: 'Rehearse', about: 'npm test' }],
    ['command_control', { id: 'abc', action: 'stop' }, { verb: 'Stop a command', about: 'abc' }],
    ['command_control', { id: 'abc', action: 'write', text: 'y\n' }, { verb: 'Send input to a command', about: 'y' }],
  ])('the label of a command call says what it does: %s %j', (name, input, words) => {
    const text = JSON.stringify(input);
    const block = { index: 0, kind: 'tool_call' as const, text, done: true, tool: { callId: 'x', name } };
    expect(toolWords(block)).toMatchObject(words);
  });
});
