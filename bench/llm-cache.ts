import { any } from '../test/support/claude/scenario.ts';
import { startClaude } from '../test/support/claude/server.ts';
import { TestServer } from '../test/support/server.ts';
import { printer, quantile } from './support/figures.ts';

/*
 * Measures the answer cache: the latency of a cached answer, and the number of calls to the provider for many identical
 * concurrent requests. Usage: node bench/llm-cache.ts [HITS]
 */

const hits = Number(process.argv[2] ?? 500);
const together = 100;

await using claude = await startClaude();
claude.on(any, { blocks: 'word '.repeat(200), pace: { startDelayMs: 200 } });
await using server = await TestServer.start({
  claudeUrl: claude.url,
  bundle: new URL('../dist/server.mjs', import.meta.url).pathname,
  // All requests are from one user.
  args: ['--limit-user', '100000,100000', '--limit-global', '100000,100000'],
});
const print = printer('llm-cache');

async function ask(content: string): Promise<string> {
  const response = await fetch(`${server.origin}/llm/v1/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${server.discovery.secret}`,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-6',
      max_tokens: 1024,
      temperature: 0,
      messages: [{ role: 'user', content }],
    }),
  });
  if (!response.ok) throw new Error(await response.text());
  await response.text();
  return response.headers.get('x-devlm-cache') ?? '';
}

const sources = await Promise.all(Array.from({ length: together }, () => ask('the same at once')));
const calls = claude.requests.length;
print('upstream_calls', calls, 'calls', { together, joined: sources.filter((source) => source === 'joined').length });

await ask('again');
const times: number[] = [];
for (let hit = 0; hit < hits; hit++) {
  const started = performance.now();
  if ((await ask('again')) !== 'kept') throw new Error('the answer was not cached');
  times.push(performance.now() - started);
}
print('hit_p50_ms', quantile(times, 0.5), 'ms', { hits });
print('hit_p99_ms', quantile(times, 0.99), 'ms', { hits });
