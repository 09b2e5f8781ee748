import { Buffer } from './buffer.ts';
import { EventEmitter } from './events.ts';
import { host } from './host.ts';
import { setImmediate } from './timers.ts';

/* `node:readline`, for the lines of standard input. */

interface Options {
  readonly output?: { write(text: string): unknown };
  readonly prompt?: string;
}

/** Interface to the lines of standard input, which is complete from the start. */
export class Interface extends EventEmitter {
  readonly #output: Options['output'];
  readonly #lines: string[];
  #prompt: string;
  #closed = false;
  #waiting: ((line: string) => void)[] = [];
  #flowing = false;

  constructor(options: Options = {}) {
    super();
    this.#output = options.output;
    this.#prompt = options.prompt ?? '> ';
    const text = Buffer.from(host.stdin()).toString();
    this.#lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
    setImmediate(() => this.#flow());
  }
  #flow(): void {
    if (this.#closed || this.#flowing) return;
    this.#flowing = true;
    while (!this.#closed) {
      const asked = this.#waiting.shift();
      if (!asked && this.listenerCount('line') === 0 && this.#lines.length > 0) break;
      const line = this.#lines.shift();
      if (line === undefined) {
        this.close();
        break;
      }
      if (asked) {
        asked(line);
        // The callback of a question may ask another question.
        this.#flowing = false;
        setImmediate(() => this.#flow());
        return;
      }
      this.emit('line', line);
    }
    this.#flowing = false;
  }
  question(text: string, second: unknown, third?: unknown): void {
    this.#output?.write(text);
    this.#waiting.push((third ?? second) as (line: string) => void);
    setImmediate(() => this.#flow());
  }
  setPrompt(text: string): void {
    this.#prompt = text;
  }
  prompt(): void {
    this.#output?.write(this.#prompt);
    setImmediate(() => this.#flow());
  }
  write(): void {}
  pause(): this {
    return this;
  }
  resume(): this {
    return this;
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.emit('close');
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    this.#flowing = true;
    for (let line = this.#lines.shift(); line !== undefined && !this.#closed; line = this.#lines.shift()) yield line;
    this.close();
  }
}
export const createInterface = (options?: Options): Interface => new Interface(options);
class PromisedInterface extends Interface {
  override question(text: string): Promise<string> & undefined {
    return new Promise<string>((done) => super.question(text, done)) as Promise<string> & undefined;
  }
}
export const promises = { createInterface: (options?: Options) => new PromisedInterface(options) };
export default { createInterface, Interface, promises };
