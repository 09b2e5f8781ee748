import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exitCodes, logsFolder, StartupFailure } from '@devlm/protocol/discovery.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import { Backoff, pause } from '../backoff.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { Client } from './client.ts';
import type { FoundServer } from './discovery.ts';
import { findServer, isAlive, readDiscovery } from './discovery.ts';
import type { ServerSource } from './source.ts';
import { compareVersions } from './version.ts';

export interface LauncherOptions {
  readonly dataDir: string;
  /** Absolute path of `server.mjs`. */
  readonly bundle: string;
  /** Version of the bundle. */
  readonly version: string;
  readonly log: Log;
  readonly problems: Problems;
  /** Runs the bundle as Node; default this process's own executable. */
  readonly execPath?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Longest wait for a server to start or to end. Default 15 000 ms. */
  readonly timeoutMs?: number;
}

/**
 * How Node runs the server. With 2 MB for each half of the young generation, of 16 by default, it takes 93 MB at rest
 * instead of 109; the first word of an answer comes some 0.5 ms later.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=2'];

/** Both the discovery file and the child are looked at this often while a server starts. */
const pollMs = 20;
/** The log of the servers' stderr is set aside when it has grown beyond this at a start. */
const stderrLogBytes = 1024 * 1024;

/** Finds the user's server, or starts it. Any number of windows may do so at once. */
export class Launcher implements ServerSource {
  readonly remote = null;
  readonly #options: LauncherOptions;
  readonly #timeoutMs: number;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 15_000;
  }

  /** The server's version may be older than ours when it is busy. */
  async connect(signal: AbortSignal, graceMs = 0): Promise<FoundServer> {
    const { dataDir, problems, log } = this.#options;
    const start = performance.now();
    const left = () => this.#timeoutMs - (performance.now() - start);
    const backoff = new Backoff({ firstMs: 100, maxMs: 1000 });
    let hanging: number | undefined;
    while (left() > 0) {
      const finding = await findServer(dataDir, problems, signal);
      if (finding.found) {
        if (!(await this.#makeWay(finding.found, signal))) return usable(finding.found, problems);
      } else {
        hanging = finding.hangs;
        if (performance.now() - start >= graceMs && hanging === undefined) {
          const outcome = await this.#start(signal, left());
          if (outcome !== 'already-running') return outcome;
          log.info('another server holds the data folder; waiting for it');
        }
      }
      await backoff.wait(signal);
    }
    throw hanging === undefined ? problems.startTimeout() : problems.unresponsive(hanging);
  }

  /** Ends a server on the person's wish, also a busy or a hanging one. */
  async end(signal: AbortSignal): Promise<void> {
    const { dataDir, problems, log } = this.#options;
    const discovery = await readDiscovery(dataDir);
    if (!discovery) return;
    const { pid } = discovery;
    const { found } = await findServer(dataDir, problems, signal);
    // The number in a stale file may by now be any process of this user.
    if (!found && !(await looksLikeServer(pid))) return;
    log.info(`ending server ${pid}`);
    for (const kind of ['SIGTERM', 'SIGKILL'] as const) {
      if (!isAlive(pid)) return;
      process.kill(pid, kind);
      if (await this.#gone(pid, 5000, signal)) return;
    }
  }

  /** Whether the server was ended because ours is newer and it was idle. */
  async #makeWay({ discovery, endpoint, info }: FoundServer, signal: AbortSignal): Promise<boolean> {
    const { version, problems, log } = this.#options;
    if (compareVersions(info.version, version) >= 0 || info.busyTurns > 0) return false;
    try {
      const client = new Client(endpoint, problems);
      await client.call('server.shutdown', { body: { version } }, { signal, timeoutMs: 5000 });
    } catch (error) {
      signal.throwIfAborted();
      // 409: it became busy. Anything else will show when it is spoken to.
      log.info(`server ${info.version} stays for now: ${String(error)}`);
      return false;
    }
    log.info(`replacing server ${info.version} by ${version}`);
    return await this.#gone(discovery.pid, this.#timeoutMs, signal);
  }

  /** A server has gone when its process has, or when it has taken back its discovery file. */
  async #gone(pid: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + timeoutMs;
    while (performance.now() < until) {
      if ((await readDiscovery(this.#options.dataDir))?.pid !== pid) return true;
      await pause(pollMs, signal);
    }
    return false;
  }

  async #start(signal: AbortSignal, timeoutMs: number): Promise<FoundServer | 'already-running'> {
    const { dataDir, bundle, problems, log } = this.#options;
    const logFile = join(dataDir, logsFolder, 'server-stderr.log');
    const begun = performance.now();
    await preparePrivateFolder(dataDir, logFile, problems);
    const stderr = await open(logFile, 'a', 0o600);
    const offset = (await stderr.stat()).size;
    const child = spawn(
      this.#options.execPath ?? process.execPath,
      [...nodeOptions, bundle, 'serve', '--embedded', '--data-dir', dataDir],
      {
        cwd: dataDir,
        detached: true,
        windowsHide: true,
        stdio: ['ignore', stderr.fd, stderr.fd],
        env: serverEnvironment(this.#options.env ?? process.env),
      },
    );
    let ended: { readonly code: number | null; readonly error?: Error } | undefined;
    child.once('exit', (code) => {
      ended ??= { code };
    });
    child.once('error', (error) => {
      ended = { code: null, error };
    });
    child.unref();
    await stderr.close();
    log.info(`starting server (process ${child.pid ?? '?'})`);
    try {
      while (performance.now() - begun < timeoutMs) {
        const discovery = await readDiscovery(dataDir);
        if (discovery?.pid === child.pid) {
          const { found } = await findServer(dataDir, problems, signal);
          if (found) {
            log.info(`server ready after ${Math.round(performance.now() - begun)} ms (process ${child.pid ?? '?'})`);
            return found;
          }
        }
        if (ended?.code === exitCodes.alreadyRunning) return 'already-running';
        if (ended) throw await this.#startFailure(ended, logFile, offset);
        await pause(pollMs, signal);
      }
      throw problems.startTimeout();
    } catch (error) {
      // Ours, and nobody else has heard of it yet: a later start must not find a half-started one.
      if (!ended) child.kill('SIGKILL');
      throw error;
    }
  }

  async #startFailure(
    ended: { readonly code: number | null; readonly error?: Error },
    logFile: string,
    offset: number,
  ): Promise<ProblemError> {
    const { problems, log } = this.#options;
    const text = (await readFile(logFile).catch(() => Buffer.alloc(0))).subarray(offset).toString('utf8');
    for (const line of text.split('\n').reverse()) {
      const checked = StartupFailure.safeParse(parseJson(line));
      if (checked.success) return new ProblemError(checked.data.problem);
    }
    log.error(`server did not start: ${ended.error?.message ?? `exit code ${ended.code}`}; see ${logFile}`);
    const why = ended.error && 'code' in ended.error ? String(ended.error.code) : `exit code ${ended.code ?? '?'}`;
    return problems.startFailed(why, ended.error);
  }
}

/** An older or newer server can be used as long as it speaks the same protocol. */
function usable(server: FoundServer, problems: Problems): FoundServer {
  if (server.info.protocol === protocolVersion) return server;
  throw server.info.protocol > protocolVersion ? problems.newerServer() : problems.olderServerBusy();
}

/** The environment of the server: the editor's own variables would change how Node runs in it. */
export function serverEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^(ELECTRON_|VSCODE_|NODE_OPTIONS$)/i.test(name));
  return { ...Object.fromEntries(kept), ELECTRON_RUN_AS_NODE: '1' };
}

async function preparePrivateFolder(dataDir: string, logFile: string, problems: Problems): Promise<void> {
  try {
    await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
    await chmod(dataDir, 0o700);
    const size = await stat(logFile).then(
      (found) => found.size,
      () => 0,
    );
    if (size > stderrLogBytes) await rename(logFile, `${logFile}.old`);
  } catch (error) {
    throw problems.startFailed(error instanceof Error ? error.message : dataDir, error);
  }
}

/** Where the system tells, that the process runs our bundle; elsewhere it is not risked. */
async function looksLikeServer(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes('serve') && commandLine.includes('--embedded');
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
