import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exitCodes, logsFolder, StartupFailure } from '@devlm/protocol/discovery.ts';
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import { Backoff, pause } from '../backoff.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { Client } from './client.ts';
import type { FoundServer } from './discovery.ts';
import { findServer, isAlive, readDiscovery } from './discovery.ts';
import type { ServerSource } from './source.ts';
import { compareVersions } from './version.ts';

/** Options of a `Launcher`. */
export interface LauncherOptions {
  readonly dataDir: string;
  /** Absolute path of `server.mjs`. */
  readonly bundle: string;
  /** Version of the bundle. */
  readonly version: string;
  readonly log: Log;
  readonly problems: Problems;
  /** Executable that runs the bundle as Node. Default: the executable of this process. */
  readonly execPath?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Maximum time to wait for a server to start or to exit, in milliseconds. Default: 15 000. */
  readonly timeoutMs?: number;
}

/**
 * Node options of the server. Limiting each half of V8's young generation to 2 MB (default 16) reduces memory at rest
 * from 109 MB to 93 MB, and delays the first token by about 0.5 ms.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=2'];

/** Interval at which the discovery file and the child process are polled during a start, in milliseconds. */
const pollIntervalMs = 20;
/** Size above which the servers' stderr log is rotated at a start, in bytes. */
const stderrLogBytes = 1024 * 1024;

/** Finds the user's server or starts it. Several windows may do so at the same time. */
export class Launcher implements ServerSource {
  readonly remote = null;
  readonly #options: LauncherOptions;
  readonly #timeoutMs: number;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 15_000;
  }

  /** Finds or starts a server. Its version may be older than this extension's if it is busy. */
  async connect(signal: AbortSignal, graceMs = 0): Promise<FoundServer> {
    const { dataDir, problems, log } = this.#options;
    const start = performance.now();
    const remainingMs = () => this.#timeoutMs - (performance.now() - start);
    const backoff = new Backoff({ firstMs: 100, maxMs: 1000 });
    let hanging: number | undefined;
    while (remainingMs() > 0) {
      const finding = await findServer(dataDir, problems, signal);
      if (finding.found) {
        if (!(await this.#replaceIfOlder(finding.found, signal))) return requireSameProtocol(finding.found, problems);
      } else {
        hanging = finding.hangs;
        if (performance.now() - start >= graceMs && hanging === undefined) {
          const outcome = await this.#start(signal, remainingMs());
          if (outcome !== 'already-running') return outcome;
          log.info('another server is using the data folder; waiting for it');
        }
      }
      await backoff.wait(signal);
    }
    throw hanging === undefined ? problems.startTimeout() : problems.unresponsive(hanging);
  }

  /** Ends the server at the user's request, even if it is busy or hangs. */
  async end(signal: AbortSignal): Promise<void> {
    const { dataDir, problems, log } = this.#options;
    const discovery = await readDiscovery(dataDir);
    if (!discovery) return;
    const { pid } = discovery;
    const { found } = await findServer(dataDir, problems, signal);
    // The process id in a stale file may have been reused by any process of this user.
    if (!found && !(await looksLikeServer(pid))) return;
    log.info(`ending server ${pid}`);
    for (const kind of ['SIGTERM', 'SIGKILL'] as const) {
      if (!isAlive(pid)) return;
      process.kill(pid, kind);
      if (await this.#waitUntilGone(pid, 5000, signal)) return;
    }
  }

  /** Shuts the server down if it is older and idle. Returns whether it ended. */
  async #replaceIfOlder({ discovery, endpoint, info }: FoundServer, signal: AbortSignal): Promise<boolean> {
    const { version, problems, log } = this.#options;
    if (compareVersions(info.version, version) >= 0 || info.busyTurns > 0) return false;
    try {
      const client = new Client(endpoint, problems);
      await client.call('server.shutdown', { body: { version } }, { signal, timeoutMs: 5000 });
    } catch (error) {
      signal.throwIfAborted();
      // 409: the server became busy. Other errors appear with the next call.
      log.info(`could not replace server ${info.version} yet: ${String(error)}`);
      return false;
    }
    log.info(`replacing server ${info.version} by ${version}`);
    return await this.#waitUntilGone(discovery.pid, this.#timeoutMs, signal);
  }

  /**
   * Waits until a server has exited or removed its discovery file. Returns false if that takes longer than the
   * timeout.
   */
  async #waitUntilGone(pid: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if ((await readDiscovery(this.#options.dataDir))?.pid !== pid) return true;
      await pause(pollIntervalMs, signal);
    }
    return false;
  }

  async #start(signal: AbortSignal, timeoutMs: number): Promise<FoundServer | 'already-running'> {
    const { dataDir, bundle, problems, log } = this.#options;
    const logFile = join(dataDir, logsFolder, 'server-stderr.log');
    const startedAt = performance.now();
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
    let exit: { readonly code: number | null; readonly error?: Error } | undefined;
    child.once('exit', (code) => {
      exit ??= { code };
    });
    child.once('error', (error) => {
      exit = { code: null, error };
    });
    child.unref();
    await stderr.close();
    log.info(`starting server (process ${child.pid ?? '?'})`);
    try {
      while (performance.now() - startedAt < timeoutMs) {
        const discovery = await readDiscovery(dataDir);
        if (discovery?.pid === child.pid) {
          const { found } = await findServer(dataDir, problems, signal);
          if (found) {
            log.info(
              `server ready after ${Math.round(performance.now() - startedAt)} ms (process ${child.pid ?? '?'})`,
            );
            return found;
          }
        }
        if (exit?.code === exitCodes.alreadyRunning) return 'already-running';
        if (exit) throw await this.#startFailure(exit, logFile, offset);
        await pause(pollIntervalMs, signal);
      }
      throw problems.startTimeout();
    } catch (error) {
      // Kill our own half-started server, which no other window knows yet: a later start must not find it.
      if (!exit) child.kill('SIGKILL');
      throw error;
    }
  }

  async #startFailure(
    exit: { readonly code: number | null; readonly error?: Error },
    logFile: string,
    offset: number,
  ): Promise<ProblemError> {
    const { problems, log } = this.#options;
    const text = (await readFile(logFile).catch(() => Buffer.alloc(0))).subarray(offset).toString('utf8');
    for (const line of text.split('\n').reverse()) {
      const checked = StartupFailure.safeParse(parseJson(line));
      if (checked.success) return new ProblemError(ReceivedProblem.parse(checked.data.problem));
    }
    log.error(`server did not start: ${exit.error?.message ?? `exit code ${exit.code}`}; see ${logFile}`);
    const why = exit.error && 'code' in exit.error ? String(exit.error.code) : `exit code ${exit.code ?? '?'}`;
    return problems.startFailed(why, exit.error);
  }
}

/** Returns the server if it speaks the same protocol; its version may differ. */
function requireSameProtocol(server: FoundServer, problems: Problems): FoundServer {
  if (server.info.protocol === protocolVersion) return server;
  throw server.info.protocol > protocolVersion ? problems.newerServer() : problems.olderServerBusy();
}

/** Returns the environment of the server, without the editor's variables that change how Node runs. */
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

/** Returns whether the process runs our bundle, according to `/proc`. Returns false on systems that have no `/proc`. */
async function looksLikeServer(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes('serve') && commandLine.includes('--embedded');
}
