import type { TurnState } from '@devlm/protocol/state.ts';
import type { PauseOption } from '@devlm/protocol/tools.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pausesOf } from '../../server/src/agent/pause.ts';
import { type Block, type Reply, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

let nth = 0;
const plan = (words = `item ${++nth}`) => toolUse('update_plan', { items: [{ text: words, status: 'open' }] });
const prompt = (read: number, fresh: number, output = 10): Reply['usage'] => ({
  input_tokens: fresh,
  cache_read_input_tokens: read,
  cache_creation_input_tokens: 0,
  output_tokens: output,
});

describe('the sentinel', { timeout: 90_000 }, () => {
  let claude: Claude;
  let server: TestServer;
  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
  });
  afterEach(() => claude.reset());
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  /** Answers in this order, and repeats the last one. All pauses are answered with this option. */
  async function turn(answers: readonly Reply[], option: PauseOption, on = server): Promise<TurnState> {
    claude.on(any, { blocks: 'The end.', usage: prompt(0, 10) });
    for (const answer of answers.toReversed()) claude.on(any, answer, { times: 1 });
    using reader = new Reader(() => on, await newConversation(on));
    reader.answerAsks(() => ({ kind: 'question', text: '', option }));
    return await reader.ended(await send(on, reader.state.id, 'Go.'));
  }
  const reply = (blocks: Block, usage: Reply['usage']): Reply => ({ blocks: [blocks], usage });
  const asked = (ended: TurnState) =>
    ended.steps.flatMap(({ calls }) =>
      Object.values(calls).flatMap(({ ask }) => (ask?.kind === 'question' ? [ask.question] : [])),
    );

  it('the sentinel asks when the prompt cache stops working, and not again after the user continues', async () => {
    const good = prompt(30_000, 1_000);
    const bad = prompt(1_000, 30_000);
    const steps = [good, bad, bad, bad, bad].map((usage) => reply(plan(), usage));
    const ended = await turn(steps, 'continue');
    expect(ended.status).toBe('completed');
    expect(asked(ended)).toEqual([
      expect.stringMatching(/no longer reads most of the prompt from its cache.*31,000 tokens/),
    ]);
    // Before the fourth call, two in a row had missed the cache.
    expect(ended.steps.findIndex(({ purpose }) => purpose === 'pause')).toBe(3);
  });

  it('the sentinel ignores small prompts, a single step, and a cache that was never read', async () => {
    const good = prompt(30_000, 1_000);
    const bad = prompt(1_000, 30_000);
    const small = prompt(100, 10_000);
    for (const usages of [
      [good, small, small, small],
      [good, bad, good, bad],
      [bad, bad, bad],
    ]) {
      const ended = await turn(
        usages.map((usage) => reply(plan(), usage)),
        'stop',
      );
      expect(ended.status).toBe('completed');
      expect(asked(ended)).toEqual([]);
    }
  });

  it('the sentinel asks when the model keeps repeating a call after it was told about it', async () => {
    const same = Array.from({ length: 12 }, () => reply(plan('the same'), prompt(0, 10)));
    const ended = await turn(same, 'stop');
    expect(ended).toMatchObject({ status: 'failed', problem: { code: 'paused' } });
    expect(asked(ended)).toEqual([
      'The model has called update_plan 6 times in a row, with the same result each time. Continue?',
    ]);
    expect(claude.messages).toHaveLength(6);
  });

  it('the sentinel asks when a turn costs far more than the user’s other turns', async () => {
    for (let i = 0; i < 6; i++) await turn([], 'continue');
    const dear = [1, 1, 1].map((usd) => reply(plan(), prompt(0, 10, usd * 100_000)));
    const ended = await turn(dear, 'continue');
    expect(ended.status).toBe('completed');
    expect(asked(ended)).toEqual([expect.stringMatching(/^This answer has cost \$2\.00 so far/)]);
  });

  it('the sentinel can be turned off', async () => {
    await using quiet = await TestServer.start({
      claudeUrl: claude.url,
      args: ['--sandbox', 'off', '--sentinel', 'false'],
    });
    const same = Array.from({ length: 8 }, () => reply(plan('the same'), prompt(0, 10)));
    const ended = await turn(same, 'stop', quiet);
    expect(ended.status).toBe('completed');
    expect(pausesOf(ended)).toEqual([]);
  });
});
