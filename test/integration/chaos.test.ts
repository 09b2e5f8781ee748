import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { expect, it } from 'vitest';
import type { Answer, FixedAnswer } from '../support/claude/answer.ts';
import { hangUp, httpError, overloaded, rateLimited } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { cases } from '../support/deep.ts';
import { PoolServer } from '../support/pool.ts';
import { newConversation, Reader, send, type TestServer } from '../support/server.ts';

/** Duration of the load, in milliseconds. */
const duration = cases(6_000, 120_000);
/** Maximum silence of a stream, longer than any wait on a loaded machine: an abandoned answer would be made twice. */
const idleMs = 5_000;
const workers = 16;
/** Number of attempts of a client, far more than chance should require. */
const attempts = 40;

/** Answers that the stand-ins have sent, as they count them. */
class Sent {
  inputTokens = 0;
  outputTokens = 0;
  faults = 0;
  /** Number of complete answers to a request, by its text. */
  readonly answered = new Map<string, number>();

  /** Returns an answer of some size, as it is billed. */
  whole(words: string): FixedAnswer {
    const [input, output] = [random(10, 5_000), random(2, 500)];
    this.answered.set(words, (this.answered.get(words) ?? 0) + 1);
    this.#add(input, output);
    return { ...this.#reply(words, input, output), pace: { startDelayMs: random(5, 60) } };
  }

  /** The beginning of an answer: its first event reports the cost of the prompt, and one token. */
  half(words: string, events: number, how: 'cut' | 'stall'): FixedAnswer {
    const input = random(10, 5_000);
    if (events > 0) this.#add(input, 1);
    return { ...this.#reply(words, input, 99), wire: { [how]: { afterEvents: events } } };
  }

  #reply(words: string, input_tokens: number, output_tokens: number) {
    const usage = { input_tokens, output_tokens, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
    return { blocks: `${answerTo(words)} ${'and so on '.repeat(30)}`, usage };
  }

  #add(input: number, output: number): void {
    this.inputTokens += input;
    this.outputTokens += output;
  }
}

const random = (from: number, to: number) => from + Math.floor(Math.random() * (to - from + 1));
const answerTo = (words: string) => `The answer to ${words}.`;

/** Faults that fail a call before its answer or during it. The chat shows the latter as a new step. */
function chaos(sent: Sent): Answer {
  return ({ text, body }) => {
    const chance = Math.random();
    // The last text counts, because a chat sends texts without an answer again.
    const words = text.match(/request \S+/g)?.at(-1) ?? 'something else';
    const faults: (() => FixedAnswer)[] = [
      () => rateLimited(1),
      overloaded,
      () => httpError(500),
      () => hangUp('reset'),
      () => hangUp(),
      ...(body.stream
        ? [
            () => sent.half(words, 0, 'stall'),
            () => sent.half(words, 1, 'stall'),
            () => sent.half(words, 1, 'cut'),
            ...(words.includes('chat') ? [] : [() => sent.half(words, random(3, 8), 'cut')]),
          ]
        : [() => ({ ...httpError(503), wire: { headersDelayMs: 200 } })]),
    ];
    if (chance > 0.2) return sent.whole(words);
    sent.faults++;
    return faults[Math.floor((chance / 0.2) * faults.length)]?.() ?? overloaded();
  };
}

/** Sends a request until it is answered, as clients do. */
async function persist(sdk: Anthropic, words: string, stream: boolean): Promise<string> {
  const body = {
    model: 'claude-sonnet-5-5',
    max_tokens: 1000,
    messages: [{ role: 'user' as const, content: words }],
  };
  for (let attempt = 1; ; attempt++) {
    try {
      const message = await (stream ? sdk.messages.stream(body).finalMessage() : sdk.messages.create(body));
      return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    } catch (error) {
      // Any other error is a bug.
      if (!(error instanceof Anthropic.AnthropicError)) throw error;
      if (error instanceof Anthropic.APIError && error.status === 402) throw error;
      if (error instanceof Anthropic.APIError && error.status !== undefined)
        expect([429, 500, 502, 503, 504, 529]).toContain(error.status);
      if (attempt === attempts) throw error;
      const seconds = error instanceof Anthropic.APIError ? Number(error.headers?.get('retry-after') ?? 0) : 0;
      await sleep(Math.max(50, seconds * 1000));
    }
  }
}

/** Returns the resident memory, in MB. Returns 0 on systems other than Linux. */
function memoryOf({ discovery }: TestServer): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync(`/proc/${discovery.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

it('no event is lost or repeated while every instance fails at random', {
  timeout: duration * 3 + 120_000,
}, async () => {
  const sent = new Sent();
  await using pool = await PoolServer.start(4, {
    env: {
      DEVLM_STREAM_IDLE_MS: String(idleMs),
      DEVLM_RETRY_BASE_MS: '50',
      // Otherwise the garbage collector runs late, which looks like a leak.
      NODE_OPTIONS: '--max-old-space-size=120',
    },
  });
  for (const claude of pool.claudes) claude.on(any, chaos(sent));
  const { server } = pool;
  const sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  const started = performance.now();
  const lasts = () => performance.now() - started < duration;
  const memory: number[] = [];
  let asked = 0;

  const worker = async (name: number) => {
    for (let nth = 0; lasts(); nth++) {
      const words = `request ${name}-${nth}x`;
      asked++;
      expect(await persist(sdk, words, name % 3 > 0)).toContain(answerTo(words));
    }
  };
  const chatter = async (name: number) => {
    for (let chat = 0; lasts(); chat++) {
      const conversationId = await newConversation(server);
      using reader = new Reader(() => server, conversationId);
      await talk(`request chat-${name}-${chat}`, conversationId, reader);
    }
  };
  const talk = async (name: string, conversationId: string, reader: Reader) => {
    let parent: string | null = null;
    for (let nth = 0; nth < 20 && lasts(); nth++) {
      const words = `${name}-${nth}x`;
      asked++;
      parent = await send(server, conversationId, words, { parent });
      const turn = await reader.ended(parent, 120_000);
      // If four attempts in a row fail, the turn reports that and has no answer.
      if (turn.status === 'failed') asked--;
      else expect(JSON.stringify(turn.steps.at(-1)?.blocks)).toContain(answerTo(words));
    }
  };
  const watch = async () => {
    while (lasts()) {
      memory.push(memoryOf(server));
      await sleep(250);
    }
  };
  await Promise.all([
    ...Array.from({ length: workers }, (_, name) => worker(name)),
    ...Array.from({ length: 2 }, (_, name) => chatter(name)),
    watch(),
  ]);

  expect(sent.faults).toBeGreaterThan(20);
  // Each request was answered completely by one instance, once: nothing was lost or made twice.
  expect([...sent.answered].filter(([, times]) => times !== 1)).toEqual([]);
  expect(sent.answered.size).toBe(asked);
  await expect
    .poll(() => server.client.call('usage.today', { query: {} }), { timeout: 10_000 })
    .toMatchObject({ inputTokens: sent.inputTokens, outputTokens: sent.outputTokens });
  const half = Math.floor(memory.length / 2);
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
  expect(mean(memory.slice(-half / 2)) - mean(memory.slice(half / 2, half))).toBeLessThan(40);
  expect(server.stderr).not.toContain('uncaught');
});

it('a budget holds while every instance fails at random', { timeout: 180_000 }, async () => {
  const limitUsd = cases(0.8, 1.5);
  const sent = new Sent();
  await using pool = await PoolServer.start(4, {
    env: { DEVLM_STREAM_IDLE_MS: String(idleMs), DEVLM_RETRY_BASE_MS: '50' },
  });
  for (const claude of pool.claudes) claude.on(any, chaos(sent));
  const { server } = pool;
  const terms = { scope: 'user', subject: null, period: 'day', limitUsd, action: 'stop' } as const;
  await server.client.call('budgets.set', { params: { budgetId: 'chaos' }, body: terms });
  const sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  /** Sends requests until the budget refuses one. */
  const worker = async (name: number) => {
    for (let nth = 0; nth < 1_000; nth++) {
      const answer = await persist(sdk, `request ${name}-${nth}x`, name % 3 > 0).catch((error: unknown) => error);
      if (answer instanceof Anthropic.APIError) return answer.status;
      if (typeof answer !== 'string') throw answer;
    }
    return 0;
  };
  const ended = await Promise.all(Array.from({ length: workers }, (_, name) => worker(name)));
  expect(ended).toEqual(ended.map(() => 402));
  const spent = () => server.client.call('usage.today', { query: {} });
  await expect
    .poll(spent, { timeout: 10_000 })
    .toMatchObject({ inputTokens: sent.inputTokens, outputTokens: sent.outputTokens });
  const { costUsd, inputTokens, outputTokens } = await spent();
  // At Sonnet's prices an output token costs as much as five input tokens.
  const dearest = (costUsd / (inputTokens + 5 * outputTokens)) * (5_000 + 5 * 500);
  expect(costUsd).toBeLessThan(limitUsd + workers * dearest);
  expect(costUsd).toBeGreaterThan(limitUsd - 2 * workers * dearest);
  expect([...sent.answered].filter(([, times]) => times !== 1)).toEqual([]);
});
