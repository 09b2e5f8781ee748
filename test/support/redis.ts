import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A private, empty Redis server. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Runs `redis-cli` and returns its output. */
  cli(...args: readonly string[]): string;
  /** Kills the server with SIGKILL, which loses its data. */
  kill(): Promise<void>;
  /** Starts a killed server on the same port. */
  start(): Promise<void>;
  /** Stops the server with SIGSTOP: connections stay open but get no response. */
  freeze(): void;
  /** Continues the server with SIGCONT. */
  thaw(): void;
}

const startTimeoutMs = 30_000;

/** Starts a real Redis, in memory only, on a free port of the loopback interface. Disposing of it ends it. */
export async function startRedis(...settings: readonly string[]): Promise<RedisServer> {
  return startProgram((port) => ['--port', String(port), '--save', '', '--appendonly', 'no', ...settings]);
}

/** Starts a real Sentinel that monitors a Redis server under a name. */
export async function startSentinel(name: string, redisPort: number): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'devlm-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  writeFileSync(file, `sentinel monitor ${name} 127.0.0.1 ${redisPort} 1\n`);
  const sentinel = await startProgram((port) => [file, '--sentinel', '--port', String(port)]);
  return {
    ...sentinel,
    async [Symbol.asyncDispose]() {
      await sentinel[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startProgram(argsFor: (port: number) => readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const cli = (...args: readonly string[]) =>
    execFileSync('redis-cli', ['-p', String(port), ...args], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: 'pipe',
    }).trim();
  let child: ChildProcess | undefined;
  const onExit = () => child?.kill('SIGKILL');
  process.once('exit', onExit);
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const start = async () => {
    const started = spawn('redis-server', [...argsFor(port), '--bind', '127.0.0.1'], {
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child = started;
    let log = '';
    let missing: Error | undefined;
    started.once('error', (error) => {
      missing = error;
    });
    started.stdout.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4_000);
    });
    const deadline = Date.now() + startTimeoutMs;
    while (!isUp(cli)) {
      if (missing)
        throw new Error('Redis is missing. Install it with: apt-get install -y redis-server', { cause: missing });
      if (started.exitCode !== null || Date.now() > deadline) {
        await kill();
        throw new Error(`Redis did not start: ${log}`);
      }
      await sleep(20);
    }
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    cli,
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      process.off('exit', onExit);
      await kill();
    },
  };
}

function isUp(cli: RedisServer['cli']): boolean {
  try {
    return /^(PONG|NOAUTH .*)$/.test(cli('ping'));
  } catch {
    return false;
  }
}

/** Returns an unused port of the loopback interface. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}
