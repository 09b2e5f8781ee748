import { Buffer } from './buffer.ts';
import { EventEmitter } from './events.ts';
import { host, toData } from './host.ts';
import { resolve } from './path.ts';
import { cwd, setCwd } from './state.ts';
import { setImmediate } from './timers.ts';

/* `node:process` and the global `process`. */

class Output extends EventEmitter {
  readonly fd: number;
  readonly isTTY = false;
  readonly writable = true;
  readonly columns = 80;
  constructor(fd: number) {
    super();
    this.fd = fd;
  }
  write(data: unknown, ...rest: unknown[]): boolean {
    host.write(this.fd, toData(data));
    const back = rest.find((arg) => typeof arg === 'function') as (() => void) | undefined;
    if (back) queueMicrotask(back);
    return true;
  }
  end(data?: unknown, ...rest: unknown[]): this {
    if (typeof data === 'string' || ArrayBuffer.isView(data)) this.write(data, ...rest);
    return this;
  }
}

/** Standard input. It is complete from the start and arrives as one chunk. */
class Input extends EventEmitter {
  readonly fd = 0;
  readonly isTTY = false;
  #encoding: BufferEncoding | null = null;
  #flowing = false;
  setEncoding(encoding: BufferEncoding = 'utf8'): this {
    this.#encoding = encoding;
    return this;
  }
  override on(name: string | symbol, listener: (...args: unknown[]) => void): this {
    super.on(name, listener);
    if (name === 'data' || name === 'end' || name === 'readable') this.resume();
    return this;
  }
  resume(): this {
    if (this.#flowing) return this;
    this.#flowing = true;
    setImmediate(() => {
      const data = this.#take();
      if (data !== null) {
        this.emit('data', data);
        this.#rest = data;
      }
      this.emit('readable');
      this.emit('end');
      this.emit('close');
    });
    return this;
  }
  #rest: unknown = null;
  read(): unknown {
    const rest = this.#rest;
    this.#rest = null;
    return rest;
  }
  pause(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  #take(): unknown {
    const data = Buffer.from(host.stdin());
    if (data.length === 0) return null;
    return this.#encoding ? data.toString(this.#encoding) : data;
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    this.#flowing = true;
    const data = this.#take();
    if (data !== null) yield data;
  }
}

const begun = host.now();
export class Process extends EventEmitter {
  argv: string[] = ['/usr/local/bin/node'];
  argv0 = 'node';
  execArgv: string[] = [];
  execPath = '/usr/local/bin/node';
  env: Record<string, string> = {};
  exitCode: number | undefined = undefined;
  readonly pid = 1;
  readonly ppid = 0;
  readonly platform = 'linux';
  readonly arch = 'wasm32';
  readonly version = 'v22.0.0';
  readonly versions = { node: '22.0.0', quickjs: '2025-09-13' };
  readonly release = { name: 'node' };
  readonly title = 'node';
  readonly features = {};
  readonly stdout = new Output(1);
  readonly stderr = new Output(2);
  readonly stdin = new Input();

  cwd(): string {
    return cwd();
  }
  chdir(path: string): void {
    host.readdir(resolve(path));
    setCwd(resolve(path));
  }
  exit(code: number | string | undefined = this.exitCode): never {
    this.exitCode = Number(code ?? 0);
    try {
      this.emit('exit', this.exitCode);
    } finally {
      host.exit(this.exitCode);
    }
    // The interrupt handler of the host ends the program.
    for (;;);
  }
  abort(): never {
    return this.exit(134);
  }
  nextTick(act: (...args: unknown[]) => void, ...args: unknown[]): void {
    queueMicrotask(() => act(...args));
  }
  uptime(): number {
    return (host.now() - begun) / 1000;
  }
  hrtime = Object.assign(
    (before?: [number, number]): [number, number] => {
      const now =
        BigInt(Math.round(host.now() * 1e6)) - (before ? BigInt(before[0]) * 1_000_000_000n + BigInt(before[1]) : 0n);
      return [Number(now / 1_000_000_000n), Number(now % 1_000_000_000n)];
    },
    { bigint: () => BigInt(Math.round(host.now() * 1e6)) },
  );
  memoryUsage(): Record<string, number> {
    return { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 };
  }
  cpuUsage(): { user: number; system: number } {
    return { user: Math.round((host.now() - begun) * 1000), system: 0 };
  }
  emitWarning(text: unknown): void {
    this.stderr.write(`(node:1) Warning: ${text instanceof Error ? text.message : String(text)}\n`);
  }
  umask(): number {
    return 0o22;
  }
  getuid(): number {
    return 65534;
  }
}
export const process = new Process();
export default process;
