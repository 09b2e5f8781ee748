import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secrets } from '../server/src/actions/secrets/secrets.ts';
import { HidingModel } from '../server/src/agent/hiding-model.ts';
import type { Model, ModelMessage, ModelRequest } from '../server/src/llm/model.ts';

/*
 * Measures the time to search a prompt of 200,000 tokens for credentials, for the first step of a conversation and for
 * later ones, by the number of credentials whose values are known. The prompt is source code of this project.
 * `probe_ms`, the time to search it for a single word, is the lower bound.
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
/** Model that sends nothing. */
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
