import { Worker } from 'node:worker_threads';
import { compilePattern, type LinePattern } from './line-pattern.ts';
import { maxLineChars } from './matches.ts';

/** A text to search, with the path of its file. */
export interface SearchedText {
  readonly path: string;
  readonly text: string;
}

/** A line that matches. */
export interface FoundLine {
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  /** At most 2,000 UTF-16 code units, without the line end. */
  readonly text: string;
}

/** Source of the worker. It runs in a worker because a pattern that never ends must not block the process. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { pattern, limit, maxLineChars } = workerData;
function* matchingLines(text) {
  if (pattern.global) {
    let last = -1;
    for (const { index } of text.matchAll(pattern)) {
      const at = index === 0 ? 0 : text.lastIndexOf('\\n', index - 1) + 1;
      // There is no line after the last line end.
      if (at === text.length) return;
      if (at !== last) yield at;
      last = at;
    }
  } else {
    for (let at = 0, end; at < text.length; at = end + 1) {
      end = text.indexOf('\\n', at);
      if (end < 0) end = text.length;
      if (pattern.test(text.slice(at, end))) yield at;
    }
  }
}
parentPort.on('message', (files) => {
  const found = [];
  for (const { path, text: raw } of files) {
    const text = raw.replaceAll('\\r\\n', '\\n');
    let line = 1;
    let counted = 0;
    for (const at of matchingLines(text)) {
      for (let next = text.indexOf('\\n', counted); next >= 0 && next < at; next = text.indexOf('\\n', counted)) {
        line++;
        counted = next + 1;
      }
      const end = text.indexOf('\\n', at);
      found.push({ path, line, text: text.slice(at, Math.min(end < 0 ? text.length : end, at + maxLineChars)) });
      if (found.length > limit) break;
    }
    if (found.length > limit) break;
  }
  parentPort.postMessage(found);
});
`;

/** A search of texts, line by line unless the pattern has a line break. Line ends are LF or CRLF. */
export class LineSearch implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #stop = () => void this.#worker.terminate();

  /**
   * @param limit maximum number of matching lines; if there are more, a call returns one line above the limit
   * @param signal also aborts a running call
   * @throws ProblemError `invalid_pattern`
   */
  constructor(pattern: LinePattern, limit: number, signal: AbortSignal) {
    this.#signal = signal;
    this.#worker = new Worker(program, {
      eval: true,
      workerData: { pattern: compilePattern(pattern), limit, maxLineChars },
      execArgv: ['--no-warnings'],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    // Without a listener, an error between two calls would end the process.
    this.#worker.on('error', () => undefined);
    signal.addEventListener('abort', this.#stop, { once: true });
  }

  /**
   * Returns the matching lines of the texts.
   * @throws the signal's reason if it is aborted
   */
  async find(texts: readonly SearchedText[]): Promise<FoundLine[]> {
    this.#signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<FoundLine[]>();
    const onExit = () =>
      reject(this.#signal.aborted ? this.#signal.reason : new Error('The thread of the search has ended.'));
    this.#worker.once('message', resolve).once('error', reject).once('exit', onExit);
    try {
      this.#worker.postMessage(texts);
      return await promise;
    } finally {
      this.#worker.off('message', resolve).off('error', reject).off('exit', onExit);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#stop);
    await this.#worker.terminate();
  }
}
