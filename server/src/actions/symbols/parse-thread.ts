import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import type { Grammar } from './languages.ts';
import { noSymbols, SourceSymbols } from './source-symbols.ts';

/** Default time limit of one file, in milliseconds. The first file of a language also waits for its grammar to load. */
const fileTimeoutMs = 5_000;
/** Time without work after which the thread is terminated to free its memory, in milliseconds. */
const idleMs = 30_000;
/** Heap limit of the thread, in MiB. */
const heapMb = 256;

/** Message with which the thread returns the symbols of a text, by the id of the request. */
const ParseResult = SourceSymbols.extend({ id: z.int() });

/** Parses source texts one after the other in a separate thread, which is started on demand. */
export class ParseThread implements AsyncDisposable {
  readonly #fileMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #id = 0;
  #closed = false;

  /** @param options `fileMs`: time limit of one file, in milliseconds. Default: 5000 */
  constructor(options: { readonly fileMs?: number } = {}) {
    this.#fileMs = options.fileMs ?? fileTimeoutMs;
  }

  /**
   * Returns the definitions and names of a text, or none if it cannot be parsed in time. Rejects with the signal's
   * reason.
   */
  parse(grammar: Grammar, text: string, signal: AbortSignal): Promise<SourceSymbols> {
    const result = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#parse(grammar, text);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #parse(grammar: Grammar, text: string): Promise<SourceSymbols> {
    if (this.#closed) return noSymbols;
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    this.#id += 1;
    const id = this.#id;
    const { promise, resolve } = Promise.withResolvers<SourceSymbols | null>();
    const onMessage = (message: unknown) => {
      const answer = ParseResult.safeParse(message);
      if (answer.data?.id === id) resolve(answer.data);
    };
    const fail = () => resolve(null);
    const timer = setTimeout(fail, this.#fileMs);
    worker.on('message', onMessage).once('error', fail).once('exit', fail);
    try {
      worker.postMessage({ id, grammar, text });
      const found = await promise;
      if (found) return { symbols: found.symbols, references: found.references };
      await this.#stop();
      return noSymbols;
    } finally {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', fail).off('exit', fail);
      this.#idle = setTimeout(() => void this.#stop(), idleMs).unref();
    }
  }

  #start(): Worker {
    const worker = new Worker(workerPath(), {
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
      stdout: true,
      stderr: true,
      env: {},
    });
    // A worker that dies between two files is replaced for the next one.
    worker
      .on('error', () => undefined)
      .on('exit', () => {
        if (this.#worker === worker) this.#worker = undefined;
      });
    worker.unref();
    return worker;
  }

  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#stop();
  }
}

/** Returns the path of the worker's program: the bundle beside the bundled server, or the source. */
function workerPath(): string {
  const bundled = join(import.meta.dirname, 'symbol-parser.mjs');
  return existsSync(bundled) ? bundled : join(import.meta.dirname, 'parser/main.ts');
}
