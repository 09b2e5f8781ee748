import { constants } from 'node:os';
import type { ExecutionStatus, OutputStream } from '@devlm/protocol/execution.ts';
import { languageTable } from '../languages.ts';
import { OutputCollector } from '../output.ts';
import type { Job, RunEvent, RunResult } from '../sandbox.ts';
import { EngineError } from './client.ts';
import type { Container } from './container.ts';
import { ArtifactReader, type EndReport, MarkFilter, parseEndReport } from './ending.ts';
import { frameOf } from './frame.ts';

/** Maximum time to wait for the files in `/sandbox/out` after the program has ended, in milliseconds. */
const artifactsMs = 10_000;
/** Maximum time to wait for the statistics of a container before it is killed, in milliseconds. */
const statsMs = 250;
/** Maximum time to wait for the remaining output of a container that was killed, in milliseconds. */
const lastOutputMs = 300;

/** The part of a run's result that comes from its container. */
export type Executed = Pick<
  RunResult,
  | 'status'
  | 'exitCode'
  | 'signal'
  | 'message'
  | 'stdout'
  | 'stderr'
  | 'order'
  | 'truncated'
  | 'artifacts'
  | 'artifactsTruncated'
  | 'wallMs'
  | 'cpuMs'
  | 'peakMemoryBytes'
>;

/** Reason for which a run has ended or must be ended. */
type Stop = 'ended' | 'closed' | Forced;
/** Reasons for which this server ends a program. */
type Forced = 'timeout' | 'output-limit' | 'cancelled';

/** Outcome of a program. A missing property means no artifacts or no message. */
type Facts = Pick<Executed, 'status' | 'exitCode' | 'signal' | 'cpuMs' | 'peakMemoryBytes'> & Partial<Executed>;

/** Runs a job in a waiting container until it ends or reaches a limit. The caller removes the container. */
export async function execute(
  container: Container,
  job: Job,
  signal: AbortSignal,
  onEvent: (event: RunEvent) => void,
): Promise<Executed> {
  return await new ContainerRun(container, job, signal, onEvent).run();
}

/**
 * A run of a job. On each output the container sends what the program prints, then a mark. After the mark, standard
 * output carries a line that says how the program ended, then an archive of its artifacts.
 */
class ContainerRun {
  readonly #container: Container;
  readonly #job: Job;
  readonly #signal: AbortSignal;
  readonly #output: OutputCollector;
  readonly #filters: Readonly<Record<OutputStream, MarkFilter>>;
  readonly #artifacts = new ArtifactReader();
  readonly #stop = Promise.withResolvers<Stop>();
  readonly #closed = Promise.withResolvers<void>();
  /** The part received so far of the line that says how the program ended. */
  #line = '';
  #ending: EndReport | null = null;
  #endedAt: number | null = null;
  /** Whether all of the program's standard error has arrived. */
  #errorsEnded = false;

  constructor(container: Container, job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void) {
    this.#container = container;
    this.#job = job;
    this.#signal = signal;
    this.#output = new OutputCollector(job.limits.outputBytes, onEvent);
    const filter = (stream: OutputStream, afterMark: (bytes: Buffer) => void) =>
      new MarkFilter(container.mark, (bytes) => this.#write(stream, bytes), afterMark);
    this.#filters = {
      stdout: filter('stdout', (bytes) => this.#readEndReport(bytes)),
      stderr: filter('stderr', () => {
        this.#errorsEnded = true;
        this.#checkEnded();
      }),
    };
  }

  async run(): Promise<Executed> {
    this.#container.onOutput = (stream, bytes) => {
      if (stream === null) this.#close();
      else this.#filters[stream].write(bytes);
    };
    const abort = () => this.#stop.resolve('cancelled');
    const timer = setTimeout(() => this.#stop.resolve('timeout'), this.#job.limits.wallMs);
    this.#signal.addEventListener('abort', abort, { once: true });
    if (this.#signal.aborted) abort();
    const startedAt = performance.now();
    if (this.#container.closed) this.#stop.resolve('closed');
    else this.#container.send(frameOf(this.#job), this.#job.stdin);
    const why = await this.#stop.promise;
    clearTimeout(timer);
    this.#signal.removeEventListener('abort', abort);

    const facts = await (why === 'ended' || why === 'closed' ? this.#ended() : this.#end(why));
    this.#container.onOutput = () => {};
    const wallMs = (this.#endedAt ?? performance.now()) - startedAt;
    return { message: null, artifacts: [], artifactsTruncated: false, wallMs, ...facts, ...this.#output.end() };
  }

  /** Takes output of the program. */
  #write(stream: OutputStream, bytes: Buffer): void {
    if (this.#output.write(stream, bytes)) return;
    this.#container.pause();
    this.#stop.resolve('output-limit');
  }

  /** Takes the bytes after the mark on standard output: the line, then the archive. */
  #readEndReport(bytes: Buffer): void {
    if (this.#ending) {
      this.#artifacts.write(bytes);
      return;
    }
    this.#line += bytes.toString('latin1');
    const end = this.#line.indexOf('\n');
    if (end < 0) return;
    this.#ending = parseEndReport(this.#line.slice(0, end));
    this.#endedAt = performance.now();
    if (end + 1 < this.#line.length) this.#artifacts.write(Buffer.from(this.#line.slice(end + 1), 'latin1'));
    this.#checkEnded();
  }

  #checkEnded(): void {
    if (this.#ending && this.#errorsEnded) this.#stop.resolve('ended');
  }

  /** Ends all readers, because the connection has ended. */
  #close(): void {
    for (const filter of Object.values(this.#filters)) filter.end();
    this.#artifacts.end();
    this.#closed.resolve();
    this.#stop.resolve('closed');
  }

  /** Returns the outcome of a program that ended by itself. */
  async #ended(): Promise<Facts> {
    const ending = this.#ending;
    if (!ending) return await factsOfLost(this.#container, this.#job);
    if (ending.hasArtifacts) {
      await Promise.race([this.#artifacts.done, after(artifactsMs, this.#signal)]);
      this.#artifacts.stop();
    }
    const { exitCode, oomKills, peakMemoryBytes } = ending;
    const status: ExecutionStatus = oomKills ? 'out-of-memory' : exitCode === 0 ? 'ok' : 'failed';
    return {
      status,
      exitCode,
      signal: signalOf(exitCode),
      message: status === 'out-of-memory' ? memoryMessage(this.#job) : null,
      cpuMs: this.#cpuMs(ending.cpuNs),
      peakMemoryBytes,
      artifacts: this.#artifacts.artifacts,
      artifactsTruncated: ending.hasArtifacts && this.#artifacts.truncated,
    };
  }

  /** Kills the program and takes the output that is still in transit. */
  async #end(status: Forced): Promise<Facts> {
    this.#endedAt = performance.now();
    const usage = await Promise.race([this.#container.usage().catch(() => null), after(statsMs)]);
    // If the engine does not respond, the sweep ends the container; the run is over in any case.
    await this.#container.kill().catch(() => {});
    if (status !== 'output-limit') await Promise.race([this.#closed.promise, after(lastOutputMs)]);
    const full = status !== 'output-limit' && this.#output.full;
    return {
      status: full ? 'output-limit' : status,
      exitCode: null,
      signal: null,
      cpuMs: this.#cpuMs(usage?.cpuNs ?? null),
      peakMemoryBytes: usage?.peakMemoryBytes ?? null,
    };
  }

  /**
   * Returns the processor time of the program, in milliseconds. If the time of the interpreter's start is unknown, it is
   * included. If the time of a compiler's warm-up is unknown, the result is null.
   */
  #cpuMs(ns: number | null): number | null {
    const { startCpuNs } = this.#container;
    if (startCpuNs === null && languageTable[this.#job.language].warmUp !== null) return null;
    return ns === null ? null : Math.max(0, ns - (startCpuNs ?? 0)) / 1e6;
  }
}

/** Returns the outcome that the engine reports for a container that ended or lost its connection without a report. */
async function factsOfLost(container: Container, job: Job): Promise<Facts> {
  const none = { exitCode: null, signal: null, cpuMs: null, peakMemoryBytes: null };
  try {
    const state = await settled(container);
    if (state.oomKilled) {
      return { ...none, status: 'out-of-memory', exitCode: 137, signal: 'SIGKILL', message: memoryMessage(job) };
    }
    if (!state.running && state.exitCode !== 137 && state.exitCode > 0) {
      return { ...none, status: 'failed', exitCode: state.exitCode, signal: signalOf(state.exitCode) };
    }
    const message = state.running
      ? 'The connection to the running program was lost. Run the program again.'
      : 'The container was stopped from outside, because Docker stopped or gVisor ran out of memory. Run the program again.';
    return { ...none, status: 'engine-error', message };
  } catch (error) {
    const reason = error instanceof EngineError ? ` ${error.message}` : '';
    return {
      ...none,
      status: 'engine-error',
      message: `Docker became unavailable while the program was running.${reason}`,
    };
  }
}

/** Maximum number of reads of a container's final state. They span 3 s, because the engine may be under load. */
const settleRounds = 60;
/** Time between two reads of a container's final state, in milliseconds. */
const settleRoundMs = 50;

/**
 * Returns the final state of a container, or the last state that was read. The engine notices the end of a container
 * slightly after the end of its streams, and the reason slightly after that.
 */
async function settled(container: Container): ReturnType<Container['inspect']> {
  let state = await container.inspect();
  const isUnsettled = () => state.running || (state.exitCode === 137 && !state.oomKilled);
  for (let round = 0; isUnsettled() && round < settleRounds; round++) {
    await after(settleRoundMs);
    state = await container.inspect();
  }
  return state;
}

/** Returns a promise that resolves with null after a time, or earlier if the signal aborts. */
function after(ms: number, signal?: AbortSignal): Promise<null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ms);
  const onAbort = () => {
    clearTimeout(timer);
    resolve(null);
  };
  timer.unref();
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

function memoryMessage(job: Job): string {
  return `The program exceeded its memory limit of ${job.limits.memoryMb} MB.`;
}

/** Returns the name of the signal that ended a program. Shells add 128 to the signal's number. */
function signalOf(exitCode: number): string | null {
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0] ?? null;
}
