import type { EditorAnswer } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { describe, expect, it } from 'vitest';
import { type Handlers, Requests } from '../../extension/src/workspace/requests.ts';

const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function requestsWith(handlers: Partial<Handlers>) {
  const none = async () => {
    throw new Error('not expected');
  };
  const commands = {
    'command.start': none,
    'command.poll': none,
    'command.write': none,
    'command.stop': none,
    'command.stopAll': none,
    'tool.call': none,
  };
  const answers: { id: string; answer: EditorAnswer }[] = [];
  const requests = new Requests({
    log,
    handlers: {
      read: none,
      apply: none,
      list: none,
      search: none,
      diagnostics: none,
      symbols: none,
      ...commands,
      ...handlers,
    },
    send: async (id, answer) => void answers.push({ id, answer }),
  });
  return { requests, answers };
}

const nothing = { conflicts: [], files: [], diagnostics: [] };
const change = (id: string) => ({ id, kind: 'apply', changes: [{ path: 'a', base: null, text: 'x' }] });

describe('requests of the server', () => {
  it('an unknown request is answered with a problem', async () => {
    const { requests, answers } = requestsWith({});
    await requests.take({ id: 'new', kind: 'teleport', path: 'a' });
    await requests.take({ id: 'bad', kind: 'read', path: '' });
    await requests.take({ kind: 'read', path: 'a' });
    await requests.take(undefined);
    expect(answers.map(({ id, answer }) => [id, answer.ok || answer.problem.code])).toEqual([
      ['new', 'editor_unsupported'],
      ['bad', 'editor_unsupported'],
    ]);
  });

  it('requests to a command do not queue, and input is written once', async () => {
    const written: string[] = [];
    const never = new Promise<never>(() => undefined);
    const state = { state: 'running', exitCode: null, signal: null, stopped: false, failure: null, wallMs: 1 } as const;
    const { requests, answers } = requestsWith({
      read: () => never,
      apply: () => never,
      'command.write': async ({ text }) => {
        written.push(text);
        return state;
      },
      'command.stop': async () => state,
    });
    for (let i = 0; i < 8; i++) void requests.take({ id: `read${i}`, kind: 'read', path: 'a' });
    void requests.take(change('change'));
    const write = { id: 'write', kind: 'command.write', commandId: 'c', text: 'x', end: false };
    await requests.take(write);
    await requests.take(write);
    await requests.take({ id: 'stop', kind: 'command.stop', commandId: 'c' });
    expect(written).toEqual(['x']);
    expect(answers.map(({ id, answer }) => [id, answer.ok])).toEqual([
      ['write', true],
      ['write', true],
      ['stop', true],
    ]);
  });

  it('a failed request says why, or that it is a bug', async () => {
    const { requests, answers } = requestsWith({
      read: async ({ path }) => {
        if (path === 'bug') throw new Error('with a secret');
        if (path === 'garbage') return { kind: 'text', text: 'a', encoding: 'utf8', hash: 'no hash', dirty: false };
        throw new ProblemError({ code: 'outside_workspace', status: 403, title: 'No', detail: 'Outside.' });
      },
    });
    for (const path of ['outside', 'bug', 'garbage']) await requests.take({ id: path, kind: 'read', path });
    expect(answers.map(({ answer }) => answer.ok || answer.problem.code)).toEqual([
      'outside_workspace',
      'internal',
      'internal',
    ]);
    expect(JSON.stringify(answers)).not.toContain('secret');
  });

  it('changes are applied once and one after the other, however often they are requested', async () => {
    const done: string[] = [];
    let running = 0;
    const { requests, answers } = requestsWith({
      apply: async ({ id }) => {
        expect(++running).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        done.push(id);
        if (id === 'b') throw new ProblemError({ code: 'not_applied', status: 500, title: 'No', detail: 'No.' });
        return nothing;
      },
    });
    await Promise.all(['a', 'b', 'a', 'c', 'b'].map((id) => requests.take(change(id))));
    expect(done).toEqual(['a', 'b', 'c']);
    expect(answers).toHaveLength(3);
    for (const id of ['a', 'b', 'c']) await requests.take(change(id));
    expect(done).toEqual(['a', 'b', 'c']);
    expect(answers.slice(3)).toEqual(answers.slice(0, 3));
  });

  it('all requests are handled, a few at a time', async () => {
    let running = 0;
    let most = 0;
    const { requests, answers } = requestsWith({
      read: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running--;
        return { kind: 'missing' };
      },
    });
    await Promise.all(Array.from({ length: 100 }, (_, i) => requests.take({ id: `r${i}`, kind: 'read', path: 'a' })));
    expect(answers).toHaveLength(100);
    expect(most).toBe(8);
  });

  it('requests are not answered after disposal', async () => {
    const { requests, answers } = requestsWith({
      read: async () => {
        requests.dispose();
        return { kind: 'missing' };
      },
    });
    await requests.take({ id: 'r', kind: 'read', path: 'a' });
    expect(answers).toEqual([]);
  });
});
