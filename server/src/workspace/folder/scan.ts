import { Worker } from 'node:worker_threads';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';

/** What is looked for, and how many lines are enough. */
export interface Pattern {
  readonly pattern: string;
  readonly isRegex: boolean;
  readonly caseSensitive: boolean;
  readonly limit: number;
}

export interface Scanned {
  readonly path: string;
  readonly text: string;
}

const Lines = z.array(z.object({ path: z.string(), line: z.int().min(1), text: z.string() }));
export type Line = z.infer<typeof Lines>[number];

/** Runs in a thread of its own: a pattern that never ends must not hold the server. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const pattern = new RegExp(workerData.source, workerData.flags);
parentPort.on('message', (files) => {
  const found = [];
  for (const { path, text } of files) {
    let line = 1;
    let at = 0;
    let last = 0;
    for (const match of text.matchAll(pattern)) {
      for (let next = text.indexOf('\\n', at); next >= 0 && next < match.index; next = text.indexOf('\\n', at)) {
        line++;
        at = next + 1;
      }
      if (line === last) continue;
      last = line;
      const end = text.indexOf('\\n', at);
      found.push({ path, line, text: text.slice(at, Math.min(end < 0 ? text.length : end, at + 2000)) });
      if (found.length >= workerData.limit) break;
    }
    if (found.length >= workerData.limit) break;
  }
  parentPort.postMessage(found);
});
`;

/** Looks through texts for lines that match. */
export class Scan implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #limit: number;
  #found: Line[] = [];

  /** @throws ProblemError `invalid_pattern` */
  constructor({ pattern, isRegex, caseSensitive, limit }: Pattern) {
    const source = isRegex ? pattern : pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    const flags = caseSensitive ? 'gmu' : 'gimu';
    try {
      new RegExp(source, flags);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const detail = `The pattern is not usable: ${why.slice(0, 1_200)}.`;
      throw new ProblemError({ code: 'invalid_pattern', status: 400, title: 'Invalid pattern', detail });
    }
    // One more than is answered, to know that there are more.
    this.#limit = limit + 1;
    const workerData = { source, flags, limit: this.#limit };
    this.#worker = new Worker(program, { eval: true, workerData, execArgv: ['--no-warnings'], env: {} });
    this.#worker.on('error', () => undefined);
  }

  /** Lines in the order of the texts, and whether there are more. */
  get found(): { matches: Line[]; truncated: boolean } {
    return { matches: this.#found.slice(0, this.#limit - 1), truncated: this.full };
  }

  get full(): boolean {
    return this.#found.length >= this.#limit;
  }

  /** @throws the signal's reason; the thread is of no use then */
  async add(files: readonly Scanned[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const stop = () => reject(signal.reason);
    const ended = () => reject(new Error('the search ended by itself'));
    this.#worker.once('message', resolve).once('exit', ended);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      // Line ends as a pattern expects them: "$" stands before them.
      this.#worker.postMessage(files.map(({ path, text }) => ({ path, text: text.replaceAll('\r\n', '\n') })));
      this.#found = [...this.#found, ...Lines.parse(await promise)].slice(0, this.#limit);
    } finally {
      signal.removeEventListener('abort', stop);
      this.#worker.off('message', resolve).off('exit', ended);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
