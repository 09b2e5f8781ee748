import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { describe, expect, it } from 'vitest';

describe('untilAborted', () => {
  it('untilAborted returns the result of the work', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
    await expect(untilAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');
  });

  it('untilAborted rejects with the reason of a signal, aborted before or during the work', async () => {
    const never = new Promise(() => {});
    const stop = new AbortController();
    const waiting = untilAborted(never, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(untilAborted(never, stop.signal)).rejects.toThrow('enough');
  });

  it('untilAborted leaves no rejection of the work unhandled', async () => {
    const work = Promise.withResolvers<never>();
    await expect(untilAborted(work.promise, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    work.reject(new Error('too late'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
