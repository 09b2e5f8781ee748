import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secrets } from '../server/src/actions/secrets/secrets.ts';
import { HidingModel } from '../server/src/agent/hiding-model.ts';
import type { Model, ModelMessage, ModelRequest } from '../server/src/llm/model.ts';

/*
 * What it costs to look through a prompt of 200,000 tokens for credentials: in milliseconds, for the first step of a
 * conversation and for the ones after it, by how many credentials are known by their value. The prompt is the
 * project's own source. `probe_ms` is a search for one word in all of it: the floor.
 */

const promptChars = 700_000;
const rounds = 9;

const folder = join(import.meta.dirname, '../server/src/actions');
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(folder, name), 'utf8'));
const messages: ModelMessage[] = [];
for (let chars = 0, i = 0; chars < promptChars; i++) {
  const text = `Result ${i}\n${sources[i % sources.length] ?? ''}`;
  chars += text.length;
  messages.push({ role: 'user', content: [{ type: 'tool_result', callId: `${i}`, ok: true, text, images: [] }] });
}
const request: ModelRequest = { model: 'none', system: 'Be brief.', messages, tools: [], thinking: false };
/** The end of the way: it sends nothing. */
const nowhere: Model = { models: async () => [], stream: async function* () {} };

const print = (figure: string, value: number, more = {}) =>
  console.log(JSON.stringify({ bench: 'secrets', figure, value: Number(value.toFixed(2)), ...more }));
const timed = (work: () => void): number => {
  const before = performance.now();
  work();
  return performance.now() - before;
};
const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

print(
  'probe_ms',
  median(Array.from({ length: rounds }, () => timed(() => JSON.stringify(messages).includes('no such')))),
);
for (const known of [0, 50, 1_000]) {
  const first: number[] = [];
  const next: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const secrets = new Secrets(new Uint8Array(32).fill(round));
    for (let i = 0; i < known; i++) secrets.add(`value-${i}-${'abcdefghijkl'.repeat(2)}-${round}`);
    const model = new HidingModel(nowhere, secrets);
    const send = () => model.stream(request, new AbortController().signal);
    first.push(timed(send));
    next.push(timed(send));
  }
  print('first_ms', median(first), { known });
  print('next_ms', median(next), { known });
}
