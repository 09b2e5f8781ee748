import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import type { Grammar } from './languages.ts';
import { noSymbols, SourceSymbols } from './source-symbols.ts';

/** A file that takes longer is hostile, or not worth it. The first one waits for its grammar as well. */
const fileMs = 5_000;
/** The thread is ended after so long without work, to give its memory back. */
const idleMs = 30_000;
const heapMb = 256;

const Answer = SourceSymbols.extend({ id: z.int() });

/** Parses source texts one after the other in a thread of its own, which is started when it is needed. */
export class ParseThread implements AsyncDisposable {
  readonly #fileMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #id = 0;
  #closed = false;

  constructor(options: { readonly fileMs?: number } = {}) {
    this.#fileMs = options.fileMs ?? fileMs;
  }

  /** What a text defines and names; nothing where it cannot be parsed in time. Rejects with the signal's reason. */
  parse(grammar: Grammar, text: string, signal: AbortSignal): Promise<SourceSymbols> {
    const mine = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#parse(grammar, text);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #parse(grammar: Grammar, text: string): Promise<SourceSymbols> {
    if (this.#closed) return noSymbols;
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    this.#id += 1;
    const id = this.#id;
    const { promise, resolve } = Promise.withResolvers<SourceSymbols | null>();
    const hear = (message: unknown) => {
      const answer = Answer.safeParse(message);
      if (answer.data?.id === id) resolve(answer.data);
    };
    const fail = () => resolve(null);
    const timer = setTimeout(fail, this.#fileMs);
    worker.on('message', hear).once('error', fail).once('exit', fail);
    try {
      worker.postMessage({ id, grammar, text });
      const found = await promise;
      if (found) return { symbols: found.symbols, references: found.references };
      await this.#stop();
      return noSymbols;
    } finally {
      clearTimeout(timer);
      worker.off('message', hear).off('error', fail).off('exit', fail);
      this.#idle = setTimeout(() => void this.#stop(), idleMs).unref();
    }
  }

  #start(): Worker {
    const worker = new Worker(program(), {
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
      stdout: true,
      stderr: true,
      env: {},
    });
    // It dies between two files: the next one starts another.
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

/** The bundle beside the bundled server, or the source. */
function program(): string {
  const bundled = join(import.meta.dirname, 'symbol-parser.mjs');
  return existsSync(bundled) ? bundled : join(import.meta.dirname, 'parser/main.ts');
}
