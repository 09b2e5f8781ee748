import type { EventBody } from '@devlm/protocol/events.ts';
import { type ExecutionRecord, outputOf } from '@devlm/protocol/execution.ts';
import { describe, expect, it } from 'vitest';
import { ConversationSecrets } from '../../../server/src/actions/secrets/conversation-secrets.ts';
import { hiddenEvent } from '../../../server/src/actions/secrets/hidden-event.ts';
import { Secrets } from '../../../server/src/actions/secrets/secrets.ts';
import { hiddenRecord, hidingListener, revealedRequest } from '../../../server/src/backend/hidden-runs.ts';

const value = 'correct-horse';
const withValue = () => {
  const secrets = new Secrets(new Uint8Array(32).fill(1));
  secrets.add(value);
  return secrets;
};
const mark = withValue().hide(value);
const ids = { turnId: 'turn-1', stepId: 'step-1', callId: 'call-1' };

describe('an event', () => {
  it('an event is stored without credentials, however deeply they are nested', () => {
    const event: EventBody = {
      type: 'tool.ended',
      ...ids,
      ok: true,
      text: `It is ${value}.`,
      details: {
        plan: [{ text: `Use ${value}`, status: 'open' }],
        pages: [{ title: value, url: `https://a/${value}` }],
      },
    };
    expect(hiddenEvent(withValue(), event)).toEqual({
      ...event,
      text: `It is ${mark}.`,
      details: { plan: [{ text: `Use ${mark}`, status: 'open' }], pages: [{ title: mark, url: `https://a/${mark}` }] },
    });
  });

  it('an event without credentials, or with text of the model, is unchanged', () => {
    const ended: EventBody = { type: 'tool.ended', ...ids, ok: true, text: 'nothing' };
    expect(hiddenEvent(withValue(), ended)).toBe(ended);
    const delta: EventBody = { type: 'block.delta', turnId: 'turn-1', stepId: 'step-1', index: 0, text: value };
    expect(hiddenEvent(withValue(), delta)).toBe(delta);
  });

  it('an event stays within its limits although a placeholder is longer than its value', () => {
    const title = `${'x'.repeat(186)} ${value}`;
    const hidden = hiddenEvent(withValue(), { type: 'conversation.renamed', title, by: 'person' });
    expect(hidden).toMatchObject({ title: `${'x'.repeat(186)} ${mark.slice(0, 13)}` });
  });
});

describe('the record of a run', () => {
  const record = (pieces: ['stdout' | 'stderr', string][]): ExecutionRecord => ({
    id: 'run-1',
    status: 'ok',
    exitCode: 0,
    signal: null,
    message: null,
    language: 'python',
    command: ['python3', value],
    stdout: pieces.flatMap(([stream, text]) => (stream === 'stdout' ? [text] : [])).join(''),
    stderr: pieces.flatMap(([stream, text]) => (stream === 'stderr' ? [text] : [])).join(''),
    order: pieces.map(([stream, text]) => ({ stream, chars: text.length })),
    truncated: { stdout: false, stderr: false },
    artifacts: [],
    artifactsTruncated: false,
    limits: { memoryMb: 50, cpus: 0.5, wallMs: 1_000, processes: 8, outputBytes: 1_000, fileBytes: 1_000 },
    queuedMs: 0,
    wallMs: 1,
    cpuMs: null,
    peakMemoryBytes: null,
    engine: null,
    image: null,
    inputHash: 'a'.repeat(64),
    programHash: 'a'.repeat(64),
    inputs: [],
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
    origin: null,
    reusedFrom: null,
  });

  it('the record of a run keeps the order of its two outputs', () => {
    const hidden = hiddenRecord(
      withValue(),
      record([
        ['stdout', `a ${value}\n`],
        ['stderr', 'b\n'],
        ['stdout', 'c\n'],
      ]),
    );
    expect(hidden.command).toEqual(['python3', mark]);
    expect(outputOf(hidden)).toEqual([
      { stream: 'stdout', text: `a ${mark}\n` },
      { stream: 'stderr', text: 'b\n' },
      { stream: 'stdout', text: 'c\n' },
    ]);
  });

  it('the record of a run hides a credential that arrived in two chunks', () => {
    const hidden = hiddenRecord(
      withValue(),
      record([
        ['stdout', value.slice(0, 6)],
        ['stderr', 'b\n'],
        ['stdout', value.slice(6)],
      ]),
    );
    expect(outputOf(hidden)).toEqual([
      { stream: 'stdout', text: mark },
      { stream: 'stderr', text: 'b\n' },
    ]);
  });

  it('the live output of a run has no credentials', () => {
    const heard: unknown[] = [];
    const listener = hidingListener(withValue(), (event) => heard.push(event));
    listener.onEvent({ type: 'output', stream: 'stdout', text: value.slice(0, 6) });
    listener.onEvent({ type: 'output', stream: 'stdout', text: `${value.slice(6)}\nmore` });
    listener.end();
    expect(heard).toEqual([
      { type: 'output', stream: 'stdout', text: `${mark}\n` },
      { type: 'output', stream: 'stdout', text: 'more' },
    ]);
  });

  it('a run gets the real credentials for its placeholders', () => {
    const request = {
      id: 'run-1',
      language: 'python' as const,
      source: `print("${mark}")`,
      files: [
        { path: 'a.txt', content: mark, encoding: 'utf8' as const },
        { path: 'b.txt', content: 'DEVLM_SECRET_00000000000000000000', encoding: 'utf8' as const },
      ],
      stdin: mark,
      args: [mark],
      env: { KEY: mark },
      limits: {},
      network: 'none' as const,
      reuse: false,
      acceptOpenNetwork: false,
    };
    expect(revealedRequest(withValue(), request)).toMatchObject({
      source: `print("${value}")`,
      files: [{ content: value }, { content: 'DEVLM_SECRET_00000000000000000000' }],
      stdin: value,
      args: [value],
      env: { KEY: value },
    });
    const unknown = { ...request, stdin: 'DEVLM_SECRET_00000000000000000000' };
    expect(() => revealedRequest(withValue(), unknown)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'secret_unknown' }) }),
    );
  });
});

describe('the credentials of conversations', () => {
  it('the credentials of a conversation are shared with its copies and their copies, and with no other conversation', async () => {
    const copies = new Map([
      ['second', 'first'],
      ['third', 'second'],
    ]);
    const secrets = new ConversationSecrets({
      keyOf: (id) => Buffer.alloc(32, id),
      copiedFrom: async (id) => copies.get(id) ?? null,
    });
    (await secrets.of('first')).add(value);
    const hidden = (await secrets.of('third')).hide(value);
    expect((await secrets.of('first')).restore(hidden)).toBe(value);
    expect((await secrets.of('other')).hide(value)).toBe(value);
    expect((await secrets.of('other')).restore(hidden)).toBeNull();
    expect(secrets.hideAll(value)).toBe(hidden);
  });
});
