import { Worker } from 'node:worker_threads';
import { refusals } from './problems.ts';
import type { Line, Pattern } from './ripgrep.ts';

/** Source of the worker. It runs in a worker because an expensive pattern must not block the extension host. */
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
      const end = text.indexOf('\\n', match.index);
      found.push({ path, line, text: text.slice(at, Math.min(end < 0 ? text.length : end, at + 2000)).replace(/\\r$/, '') });
      if (found.length > workerData.limit) break;
    }
    if (found.length > workerData.limit) break;
  }
  parentPort.postMessage(found);
});
`;

/** A text search for editors that do not include ripgrep. */
export class Scanner {
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #stop = () => void this.#worker.terminate();

  /**
   * @param limit maximum number of matching lines; a call returns one more if there are more
   * @param signal also aborts a running call
   * @throws ProblemError `invalid_pattern`
   */
  constructor({ pattern, isRegex, caseSensitive }: Pattern, limit: number, signal: AbortSignal) {
    const source = isRegex ? pattern : pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    const flags = caseSensitive ? 'gmu' : 'gimu';
    try {
      new RegExp(source, flags);
    } catch (error) {
      throw refusals.badPattern(error instanceof Error ? error.message : String(error));
    }
    this.#signal = signal;
    this.#worker = new Worker(program, {
      eval: true,
      workerData: { source, flags, limit },
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    signal.addEventListener('abort', this.#stop, { once: true });
  }

  /**
   * Returns the matching lines of the files.
   * @throws the signal's reason if aborted
   */
  async scan(files: readonly { readonly path: string; readonly text: string }[]): Promise<Line[]> {
    this.#signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const removeListeners = (): void => {
        this.#worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      };
      const onMessage = (found: Line[]) => {
        removeListeners();
        resolve(found);
      };
      const onError = (error: Error) => {
        removeListeners();
        reject(error);
      };
      const onExit = () => {
        removeListeners();
        reject(this.#signal.aborted ? this.#signal.reason : new Error('the search ended by itself'));
      };
      this.#worker.once('message', onMessage).once('error', onError).once('exit', onExit);
      this.#worker.postMessage(files);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#stop);
    await this.#worker.terminate();
  }
}
