import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';

/** The readable content of a page. */
export interface ReadablePage {
  readonly title: string;
  readonly markdown: string;
}

/** Limits of one conversion. A page that needs more is hostile, or not meant to be read. */
const conversion = { ms: 10_000, heapMb: 512 } as const;

const Converted = z.object({ title: z.string(), markdown: z.string() });

/** Settles when the last requested conversion ends. Conversions run one at a time. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Returns the readable text of an HTML page, as Markdown.
 *
 * @throws ProblemError `page_unreadable`; the signal's reason
 */
export function readableText(html: string, url: string, signal: AbortSignal): Promise<ReadablePage> {
  const conversionResult = last.then(() => convert(html, url, signal));
  last = conversionResult.catch(() => undefined);
  return conversionResult;
}

async function convert(html: string, url: string, signal: AbortSignal): Promise<ReadablePage> {
  signal.throwIfAborted();
  const worker = new Worker(workerPath(), {
    workerData: { html, url },
    resourceLimits: { maxOldGenerationSizeMb: conversion.heapMb },
    // Discards what libraries print; a page may make them print a lot.
    stdout: true,
    stderr: true,
    env: {},
  });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const unreadable = (why: string) => reject(pageUnreadable(url, why));
  worker.once('message', resolve);
  worker.once('error', () => unreadable('its HTML is too large or too deeply nested'));
  worker.once('exit', () => unreadable('DevLM could not read its HTML'));
  const timer = setTimeout(
    () => unreadable(`converting its HTML took longer than ${conversion.ms / 1000} s`),
    conversion.ms,
  );
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return Converted.parse(await promise);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

/** Returns the path of the worker's program: the bundle beside the bundled server, or the source. */
function workerPath(): string {
  const bundled = join(import.meta.dirname, 'page-reader.mjs');
  return existsSync(bundled) ? bundled : join(import.meta.dirname, 'reader/main.ts');
}

function pageUnreadable(url: string, why: string): ProblemError {
  const detail = `Cannot show the page from ${new URL(url).host} as text: ${why}.`;
  return new ProblemError({ code: 'page_unreadable', status: 422, title: 'Page not readable', detail });
}
