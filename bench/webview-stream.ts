import { join } from 'node:path';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import type { StreamOptions } from '../test/support/page-harness/host.ts';
import { longConversation } from '../test/support/page-harness/scenes.ts';
import { startPageHarness } from '../test/support/page-harness.ts';
import { benchmarkAnswer, inChunks } from './webview-stream/answer.ts';
import { type Figures, heapBytes, measure } from './webview-stream/measure.ts';

/*
 * Measures the cost of a 50 KB answer with 10 code blocks in the chat page at 200 chunks per second, compared with a page
 * that parses the whole text again at every chunk. Both receive the same chunks at the same pace.
 */

const chunks = inChunks(benchmarkAnswer());
/** Stream as the server sends it, with the deltas of 40 ms joined. */
const coalesced: StreamOptions = { chunks, perSecond: 200, coalesceMs: 40 };
/** Stream with one event per chunk, as the naive page receives it. */
const single: StreamOptions = { chunks, perSecond: 200, coalesceMs: 0 };

function report(figure: string, value: number, unit: string): void {
  console.log(JSON.stringify({ bench: 'webview-stream', figure, value: Math.round(value * 1000) / 1000, unit }));
}

await using harness = await startPageHarness();

const watched = await streamOnce(coalesced, { watchFrames: true });
report('frame_p95_ms', watched.frameP95Ms, 'ms');

// Each is measured twice, alternating, and the lower figure counts, because other load only ever adds time.
const first = await streamOnce(coalesced);
const firstAt2000 = await streamOnce(coalesced, { prepare: longConversation });
const empty = calmer(first, await streamOnce(coalesced));
const at2000 = calmer(firstAt2000, await streamOnce(coalesced, { prepare: longConversation }));
report('long_tasks', empty.longTasks, 'tasks');
report('main_thread_ms', empty.mainThreadMs, 'ms');
report('at_2000_long_tasks', at2000.longTasks, 'tasks');
report('at_2000_main_thread_ms', at2000.mainThreadMs, 'ms');
report('at_2000_ratio', at2000.mainThreadMs / empty.mainThreadMs, 'ratio');

const everyChunk = calmer(await streamOnce(single), await streamOnce(single));
report('every_chunk_long_tasks', everyChunk.longTasks, 'tasks');
report('every_chunk_main_thread_ms', everyChunk.mainThreadMs, 'ms');

report('heap_growth_mb', await heapGrowth(), 'MB');

const naive = calmer(await streamNaive(), await streamNaive());
report('naive_main_thread_ms', naive.mainThreadMs, 'ms');
report('naive_seconds', naive.elapsedMs / 1000, 's');
report('naive_long_tasks', naive.longTasks, 'tasks');
report('main_thread_ratio', everyChunk.mainThreadMs / naive.mainThreadMs, 'ratio');

function calmer(a: Figures, b: Figures): Figures {
  return a.mainThreadMs <= b.mainThreadMs ? a : b;
}

/** Streams one answer into a fresh page, by itself or at the end of a conversation. */
async function streamOnce(
  options: StreamOptions,
  { prepare, watchFrames }: { prepare?: () => void; watchFrames?: boolean } = {},
): Promise<Figures> {
  const { page } = await harness.open({ width: 480, height: 900, ...(prepare && { prepare }) });
  await page.waitForTimeout(1_000);
  const figures = await measure(page, () => ask(page, options), watchFrames);
  await page.context().close();
  return figures;
}

/** Types a question, and waits until its answer has ended and is shown completely. */
async function ask(page: Page, options: StreamOptions): Promise<void> {
  await page.evaluate((answer) => {
    window.host.answer = answer;
  }, options);
  const turns = await page.evaluate(() => window.host.turnCount());
  await page.locator('.composer-text').fill('How does a request become an answer on the page?');
  await page.keyboard.press('Enter');
  await page.waitForFunction(
    (count) => {
      const last = [...document.querySelectorAll('.turn')].at(-1);
      const whole = last?.querySelector('.answer-foot') && last.querySelector('.hljs-keyword');
      // Do not use the element itself: a handle to it would keep the whole answer in memory.
      return window.host.turnCount() > count && Boolean(whole);
    },
    turns,
    { timeout: 120_000, polling: 250 },
  );
  await page.waitForTimeout(300);
}

/** Returns the memory that ten answers leave behind, measured after one warm-up answer. */
async function heapGrowth(): Promise<number> {
  const { page } = await harness.open({ width: 480, height: 900 });
  const quick: StreamOptions = { chunks, perSecond: 1_500, coalesceMs: 40 };
  const answer = async () => {
    await ask(page, quick);
    // Exclude the memory of the host inside the page.
    await page.evaluate(() => window.host.forget());
  };
  await answer();
  const before = await heapBytes(page);
  for (let round = 0; round < 10; round += 1) await answer();
  const after = await heapBytes(page);
  await page.context().close();
  return (after - before) / 1_000_000;
}

async function streamNaive(): Promise<Figures> {
  const [script] = (
    await build({
      entryPoints: [join(import.meta.dirname, 'webview-stream/naive.ts')],
      bundle: true,
      minify: true,
      write: false,
      format: 'iife',
    })
  ).outputFiles;
  harness.documents.set('naive.js', script?.text ?? '');
  harness.documents.set(
    'naive',
    '<!DOCTYPE html><html><head><link rel="stylesheet" href="theme-dark.css"></head><body><div id="root"></div><script nonce="NONCE" src="naive.js"></script></body></html>',
  );
  const context = await harness.browser.newContext({ viewport: { width: 480, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${harness.address}/naive`);
  page.setDefaultTimeout(600_000);
  const figures = await measure(page, () =>
    page.evaluate(([pieces, pace]) => window.streamNaive(pieces, pace), [chunks, 200] as const),
  );
  await context.close();
  return figures;
}
