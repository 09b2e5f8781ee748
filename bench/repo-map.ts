import { resolve } from 'node:path';
import { ProjectSymbols } from '../server/src/actions/symbols/project-symbols.ts';
import { sourceFolder } from '../test/support/source-folder.ts';

/*
 * Measures the repository map of this repository: built from scratch, with nothing changed, and its memory. Files are read
 * directly from disk; an editor window adds its own time, in the background.
 */

const tokens = 1_500;
const project = 'this';
const folder = sourceFolder(resolve(import.meta.dirname, '..'));
const never = new AbortController().signal;
const before = process.memoryUsage().rss;

const print = (figure: string, value: number, more = {}) =>
  console.log(JSON.stringify({ bench: 'repo-map', figure, value, ...more }));
const round = (value: number) => Math.round(value * 10) / 10;

async function timed<T>(work: () => Promise<T> | T): Promise<[T, number]> {
  const started = performance.now();
  const result = await work();
  return [result, round(performance.now() - started)];
}

await using symbols = new ProjectSymbols();
const [index, indexMs] = await timed(() => symbols.fresh(project, folder, never));
const [map, rankMs] = await timed(() => index.map(tokens));
print('map_ms', round(indexMs + rankMs), { files: index.files });
const [, warmMs] = await timed(async () => (await symbols.fresh(project, folder, never)).map(tokens));
print('map_warm_ms', warmMs);
// The only part that a first message may wait for.
const ranks: number[] = [];
for (let round = 0; round < 21; round++)
  ranks.push((await timed(() => index.map(tokens, new Set(['server/src/agent/loop.ts']))))[1]);
print('map_rank_ms', ranks.sort((a, b) => a - b)[10] ?? Number.NaN);
print('symbols', [...index.symbols()].length);
print('map_chars', map.length);
print('memory_mb', round((process.memoryUsage().rss - before) / 2 ** 20));
