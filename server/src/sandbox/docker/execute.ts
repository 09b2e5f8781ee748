import { constants } from 'node:os';
import type { ExecutionStatus } from '@devlm/protocol/execution.ts';
import { languageTable } from '../languages.ts';
import { Output } from '../output.ts';
import type { Job, RunEvent, RunResult } from '../sandbox.ts';
import { EngineError } from './client.ts';
import type { Container } from './container.ts';
import { ArtifactReader, type Ending, MarkFilter, parseEnding } from './ending.ts';
import { frameOf } from './frame.ts';

/** How long the files in `/sandbox/out` may take to come, after the program has ended. */
const artifactsMs = 10_000;
const statsMs = 250;
/** After the container was ended: for the output that is still on its way. */
const lastOutputMs = 300;

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

type Stop = 'ended' | 'closed' | 'timeout' | 'output-limit' | 'cancelled';

/** Runs a job in a container that waits, to its end or a limit. Removing the container is the caller's. */
export async function execute(
  container: Container,
  job: Job,
  signal: AbortSignal,
  hear: (event: RunEvent) => void,
): Promise<Executed> {
  const output = new Output(job.limits.outputBytes, hear);
  const stop = Promise.withResolvers<Stop>();
  const closed = Promise.withResolvers<void>();
  const artifacts = new ArtifactReader();
  let ending: Ending | null = null;
  let endedAt: number | null = null;
  let line = '';
  const marked = { stdout: false, stderr: false };

  const write = (stream: 'stdout' | 'stderr') => (bytes: Buffer) => {
    if (output.write(stream, bytes)) return;
    container.pause();
    stop.resolve('output-limit');
  };
  const settle = () => {
    if (ending && marked.stderr) stop.resolve('ended');
  };
  const filters = {
    stdout: new MarkFilter(container.mark, write('stdout'), (bytes) => {
      marked.stdout = true;
      if (ending) return artifacts.write(bytes);
      line += bytes.toString('latin1');
      const end = line.indexOf('\n');
      if (end < 0) return;
      ending = parseEnding(line.slice(0, end));
      endedAt = performance.now();
      if (end + 1 < line.length) artifacts.write(Buffer.from(line.slice(end + 1), 'latin1'));
      settle();
    }),
    stderr: new MarkFilter(container.mark, write('stderr'), () => {
      marked.stderr = true;
      settle();
    }),
  };
  container.hear = (stream, bytes) => {
    if (stream !== null) return filters[stream].write(bytes);
    for (const filter of Object.values(filters)) filter.end();
    artifacts.end();
    closed.resolve();
    stop.resolve('closed');
  };

  const abort = () => stop.resolve('cancelled');
  const timer = setTimeout(() => stop.resolve('timeout'), job.limits.wallMs);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const startedAt = performance.now();
  if (container.closed) stop.resolve('closed');
  else container.send(frameOf(job), job.stdin);
  const why = await stop.promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', abort);

  const facts = await (why === 'ended' || why === 'closed' ? byItself() : byForce(why));
  container.hear = () => {};
  const wallMs = (endedAt ?? performance.now()) - startedAt;
  return { message: null, artifacts: [], artifactsTruncated: false, wallMs, ...facts, ...output.end() };

  type Facts = Pick<Executed, 'status' | 'exitCode' | 'signal' | 'cpuMs' | 'peakMemoryBytes'> & Partial<Executed>;

  async function byItself(): Promise<Facts> {
    if (!ending) return withoutWord();
    if (ending.hasArtifacts) {
      await Promise.race([artifacts.done, after(artifactsMs, signal)]);
      artifacts.stop();
    }
    const { exitCode, oomKills, peakMemoryBytes } = ending;
    const status: ExecutionStatus = oomKills ? 'out-of-memory' : exitCode === 0 ? 'ok' : 'failed';
    return {
      status,
      exitCode,
      signal: signalOf(exitCode),
      message: status === 'out-of-memory' ? memoryMessage(job) : null,
      cpuMs: cpuMs(ending.cpuNs),
      peakMemoryBytes,
      artifacts: artifacts.artifacts,
      artifactsTruncated: ending.hasArtifacts && artifacts.truncated,
    };
  }

  /** The container ended, or the connection did, and its first process has said nothing. */
  async function withoutWord(): Promise<Facts> {
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
        ? 'The connection to the running program was lost. Run it again.'
        : 'The container was ended from outside: Docker stopped, or gVisor had no memory left. Run it again.';
      return { ...none, status: 'engine-error', message };
    } catch (error) {
      const reason = error instanceof EngineError ? ` ${error.message}` : '';
      return { ...none, status: 'engine-error', message: `Docker went away while the program ran.${reason}` };
    }
  }

  async function byForce(status: 'timeout' | 'output-limit' | 'cancelled'): Promise<Facts> {
    endedAt = performance.now();
    const usage = await Promise.race([container.usage().catch(() => null), after(statsMs)]);
    // When the engine does not answer, the sweep ends it; the run is over in any case.
    await container.kill().catch(() => {});
    if (status !== 'output-limit') await Promise.race([closed.promise, after(lastOutputMs)]);
    const full = status !== 'output-limit' && output.full;
    return {
      status: full ? 'output-limit' : status,
      exitCode: null,
      signal: null,
      cpuMs: cpuMs(usage?.cpuNs ?? null),
      peakMemoryBytes: usage?.peakMemoryBytes ?? null,
    };
  }

  /** The load of an interpreter is a part of it where its share is not known; that of a compiler's warm-up is not. */
  function cpuMs(ns: number | null): number | null {
    if (container.startCpuNs === null && languageTable[job.language].warmUp !== null) return null;
    return ns === null ? null : Math.max(0, ns - (container.startCpuNs ?? 0)) / 1e6;
  }
}

/** Three seconds at the most: the engine of a machine under load may be late. */
const settleRounds = 60;
const settleRoundMs = 50;

/** The engine notices that a container has ended a moment after its streams did, and why a moment after that. */
async function settled(container: Container): ReturnType<Container['inspect']> {
  let state = await container.inspect();
  const open = () => state.running || (state.exitCode === 137 && !state.oomKilled);
  for (let round = 0; open() && round < settleRounds; round++) {
    await after(settleRoundMs);
    state = await container.inspect();
  }
  return state;
}

function after(ms: number, signal?: AbortSignal): Promise<null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ms);
  const leave = () => {
    clearTimeout(timer);
    resolve(null);
  };
  timer.unref();
  if (signal?.aborted) leave();
  else signal?.addEventListener('abort', leave, { once: true });
  return promise;
}

function memoryMessage(job: Job): string {
  return `It needed more than its ${job.limits.memoryMb} MB of memory.`;
}

/** Shells add 128 to the number of the signal that ended a program. */
function signalOf(exitCode: number): string | null {
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0] ?? null;
}
