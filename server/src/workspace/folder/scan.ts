import { Worker } from 'node:worker_threads';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';

/** Search pattern, and maximum number of lines to find. */
export interface Pattern {
  readonly pattern: string;
  readonly isRegex: boolean;
  readonly caseSensitive: boolean;
  readonly limit: number;
}

/** A text to search, with the path of its file. */
export interface SearchedText {
  readonly path: string;
  readonly text: string;
}

const Lines = z.array(z.object({ path: z.string(), line: z.int().min(1), text: z.string() }));
/** A line that matches, with its number from 1. */
export type Line = z.infer<typeof Lines>[number];

/** Program of the worker. It runs in a thread of its own, because a pattern that never ends must not block the server. */
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

/** Search of texts for lines that match a pattern. */
export class Scan implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #limit: number;
  #found: Line[] = [];

  /**
   * Starts the thread of the search.
   * @throws ProblemError `invalid_pattern`
   */
  constructor({ pattern, isRegex, caseSensitive, limit }: Pattern) {
    const source = isRegex ? pattern : pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    const flags = caseSensitive ? 'gmu' : 'gimu';
    try {
      new RegExp(source, flags);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const detail = `The pattern is not usable: ${reason.slice(0, 1_200)}.`;
      throw new ProblemError({ code: 'invalid_pattern', status: 400, title: 'Invalid pattern', detail });
    }
    // One line more than is returned tells whether there are more.
    this.#limit = limit + 1;
    const workerData = { source, flags, limit: this.#limit };
    this.#worker = new Worker(program, { eval: true, workerData, execArgv: ['--no-warnings'], env: {} });
    this.#worker.on('error', () => undefined);
  }

  /** Lines found so far, in the order of the texts, and whether there are more. */
  get found(): { matches: Line[]; truncated: boolean } {
    return { matches: this.#found.slice(0, this.#limit - 1), truncated: this.full };
  }

  /** Whether enough lines were found. */
  get full(): boolean {
    return this.#found.length >= this.#limit;
  }

  /**
   * Searches texts.
   * @throws the reason of the signal; the search cannot be continued then
   */
  async add(files: readonly SearchedText[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = () => reject(signal.reason);
    const onExit = () => reject(new Error('the search ended by itself'));
    this.#worker.once('message', resolve).once('exit', onExit);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      // CRLF becomes LF, because patterns expect "$" right before the line break.
      this.#worker.postMessage(files.map(({ path, text }) => ({ path, text: text.replaceAll('\r\n', '\n') })));
      this.#found = [...this.#found, ...Lines.parse(await promise)].slice(0, this.#limit);
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#worker.off('message', resolve).off('exit', onExit);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
