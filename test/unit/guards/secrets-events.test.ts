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
  it('is stored without credentials, however deep they stand', () => {
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

  it('stays the same where there are none, and where the model wrote it', () => {
    const ended: EventBody = { type: 'tool.ended', ...ids, ok: true, text: 'nothing' };
    expect(hiddenEvent(withValue(), ended)).toBe(ended);
    const delta: EventBody = { type: 'block.delta', turnId: 'turn-1', stepId: 'step-1', index: 0, text: value };
    expect(hiddenEvent(withValue(), delta)).toBe(delta);
  });

  it('holds no more than it may, though a placeholder is longer than what it stands for', () => {
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

  it('keeps the order of its two outputs', () => {
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

  it('hides what came in two pieces', () => {
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

  it('is heard live without credentials', () => {
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

  it('is of a program that had the real ones', () => {
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
  it('are shared with copies, copies of copies too, and with no other', async () => {
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
