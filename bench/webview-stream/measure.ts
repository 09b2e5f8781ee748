/// <reference lib="dom" />
import type { CDPSession, Page } from 'playwright-core';

/** Cost of an action in the page. */
export interface Figures {
  /** Processor time of the main thread, in milliseconds. */
  readonly mainThreadMs: number;
  /** Number of tasks longer than 50 ms. */
  readonly longTasks: number;
  /** 95th percentile of the time between frames, in milliseconds. */
  readonly frameP95Ms: number;
  readonly elapsedMs: number;
}

declare global {
  interface Window {
    meter: { longTasks: number; frames: number[]; on: boolean };
  }
}

async function taskMs(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return (metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? 0) * 1000;
}

/**
 * Runs a function in the page and measures its cost. Watching frames produces additional frames, and so has a cost
 * itself.
 */
export async function measure(page: Page, work: () => Promise<void>, watchFrames = false): Promise<Figures> {
  const session = await page.context().newCDPSession(page);
  // Processor time, which excludes the influence of other processes.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.evaluate((watch) => {
    const meter = { longTasks: 0, frames: [] as number[], on: true };
    window.meter = meter;
    const observer = new PerformanceObserver((list) => {
      meter.longTasks += list.getEntries().length;
    });
    observer.observe({ entryTypes: ['longtask'] });
    let last = performance.now();
    const frame = (now: number) => {
      meter.frames.push(now - last);
      last = now;
      if (meter.on) requestAnimationFrame(frame);
      else observer.disconnect();
    };
    if (watch) requestAnimationFrame(frame);
  }, watchFrames);
  const before = await taskMs(session);
  const start = performance.now();
  await work();
  const elapsedMs = performance.now() - start;
  const mainThreadMs = (await taskMs(session)) - before;
  const { longTasks, frames } = await page.evaluate(() => {
    window.meter.on = false;
    return { longTasks: window.meter.longTasks, frames: window.meter.frames };
  });
  frames.sort((a, b) => a - b);
  await session.detach();
  return { mainThreadMs, longTasks, elapsedMs, frameP95Ms: frames[Math.floor(frames.length * 0.95)] ?? 0 };
}

/** Returns the memory in use after a garbage collection, in bytes: that of scripts and that of the document. */
export async function heapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  for (let round = 0; round < 3; round += 1) await session.send('HeapProfiler.collectGarbage');
  const usage: { usedSize: number; embedderHeapUsedSize?: number } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usage.usedSize + (usage.embedderHeapUsedSize ?? 0);
}
