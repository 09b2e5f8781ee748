import Anthropic from '@anthropic-ai/sdk';
import type { UsageGroup, UsageRow } from '@devlm/protocol/budgets.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ClaudeRequest,
  serverToolUse,
  text,
  thinking,
  toolUse,
  webSearchResult,
} from '../support/claude/answer.ts';
import { overloaded } from '../support/claude/faults.ts';
import { model } from '../support/claude/models.ts';
import { any, type Match } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const id = 'claude-sonnet-5-5';
const models = [model({ id, name: 'Small', created: '2026-01-01', line: 'sonnet', input: 30_000, output: 32_000 })];
const isSearch = ({ body }: ClaudeRequest) => JSON.stringify(body).includes('web_search_20250305');
const ofConversation: Match = (request) => !isSearch(request);
const plan = (words: string) => toolUse('update_plan', { items: [{ text: words, status: 'open' }] });

describe('the ledger', { timeout: 120_000 }, () => {
  let claude: Claude;
  let server: TestServer;
  beforeAll(async () => {
    claude = await startClaude({ models });
    server = await TestServer.start({
      claudeUrl: claude.url,
      args: ['--sandbox', 'off'],
      env: { DEVLM_RETRY_BASE_MS: '5', DEVLM_STREAM_IDLE_MS: '2000' },
    });
  });
  beforeEach(() => claude.reset());
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  const report = async (group: UsageGroup) => server.client.call('usage.report', { query: { group } });

  /** Runs a turn with a user who allows everything. */
  async function talk(reader: Reader, words: string) {
    reader.answerAsks(() => ({ kind: 'approval', allow: true }));
    const turnId = await send(server, reader.state.id, words, { parent: reader.state.head, thinking: true });
    return await reader.ended(turnId, 60_000);
  }

  it('the ledger matches the counts of the provider for tools, searches, retries, cut answers, summaries and other clients', async () => {
    using reader = new Reader(() => server, await newConversation(server));
    const long = 'lorem ipsum dolor sit amet '.repeat(1_000);

    claude.on(ofConversation, [thinking('Let me think about it at length.'), text('Done.')]);
    claude.on(ofConversation, { blocks: 'half an answer', wire: { cut: { afterEvents: 2 } } }, { times: 1 });
    claude.on(ofConversation, overloaded(), { times: 1 });
    claude.on(ofConversation, [text('I plan.'), plan('a')], { times: 1 });
    claude.on(isSearch, [serverToolUse('web_search', { query: 'x' }), webSearchResult([]), text('Nothing.')]);
    claude.on(ofConversation, toolUse('web_search', { query: 'x' }), { times: 1 });
    expect(await talk(reader, 'Look it up.')).toMatchObject({ status: 'completed' });
    for (let i = 0; i < 4; i++) expect(await talk(reader, `${i} ${long}`)).toMatchObject({ status: 'completed' });
    const sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
    await sdk.messages.create({ model: id, max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] });
    await expect
      .poll(async () => (await report('user')).total.calls)
      .toBe(claude.messages.filter((m) => m.usage).length);

    const steps = Object.values(reader.state.turns).flatMap((turn) => turn.steps);
    expect(steps.some(({ status }) => status === 'abandoned')).toBe(true);
    expect(steps.some(({ purpose }) => purpose === 'compaction')).toBe(true);
    const counted = { input: 0, output: 0, read: 0, written: 0, thought: 0 };
    for (const { usage, message } of claude.messages) {
      if (!usage) continue;
      counted.input += usage.input_tokens;
      counted.read += usage.cache_read_input_tokens ?? 0;
      counted.written += usage.cache_creation_input_tokens ?? 0;
      counted.output += usage.output_tokens;
      counted.thought += usage.output_tokens_details?.thinking_tokens ?? 0;
      expect(message?.model).toBe(id);
    }
    const { total, rows } = await report('model');
    expect(total).toMatchObject({
      inputTokens: counted.input,
      cacheReadTokens: counted.read,
      cacheWriteTokens: counted.written,
      thinkingTokens: counted.thought,
      unpricedSteps: 0,
    });
    expect(counted.thought).toBeGreaterThan(0);
    // The final count of the answer that broke off is unknown, so it is estimated.
    expect(Math.abs(total.outputTokens - counted.output)).toBeLessThan(10);
    expect(rows.map(({ key }: UsageRow) => key)).toEqual([id]);
    const sum = steps.reduce((usd, { costUsd, results }) => {
      const tools = Object.values(results).reduce((cost, { details }) => cost + (details?.costUsd ?? 0), 0);
      return usd + (costUsd ?? 0) + tools;
    }, 0);
    const conversations = (await report('conversation')).rows;
    expect(conversations.map(({ key }) => key)).toEqual([reader.state.id, null]);
    expect(conversations[0]?.costUsd).toBeCloseTo(sum, 8);
  });

  it('the ledger counts a model without a price at the highest price for budgets, and shows that the price is unknown', async () => {
    const unknown = model({ id: 'local-1', name: 'Local', created: '2026-01-01', line: 'sonnet' });
    await using own = await startClaude({ models: [unknown] });
    await using other = await TestServer.start({
      claudeUrl: own.url,
      env: { DEVLM_MODEL: 'local-1' },
      args: ['--sandbox', 'off'],
    });
    own.on(any, { blocks: 'ok', usage: { output_tokens: 100_000 } });
    const body = { scope: 'team', period: 'day', limitUsd: 4, action: 'stop' } as const;
    await other.client.call('budgets.set', { params: { budgetId: 'team' }, body });
    using reader = new Reader(() => other, await newConversation(other));
    expect((await reader.ended(await send(other, reader.state.id, 'Go.'))).status).toBe('completed');
    const { total } = await other.client.call('usage.report', { query: {} });
    expect(total).toMatchObject({ calls: 1, unpricedSteps: 1, costUsd: 0 });
    // 100,000 tokens of the most expensive model cost 5 dollars.
    expect(await reader.ended(await send(other, reader.state.id, 'Go.'))).toMatchObject({
      problem: { code: 'budget_exceeded' },
    });
  });
});
