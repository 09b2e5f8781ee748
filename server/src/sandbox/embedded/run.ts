import type { Artifact, ExecutionRecord, ExecutionStatus } from '@devlm/protocol/execution.ts';
import { limits as bounds } from '@devlm/protocol/limits.ts';
import { sha256Hex } from '../../sha256.ts';
import { commandOf, unrun } from '../job.ts';
import { OutputCollector } from '../output.ts';
import type { Job, RunEvent, RunResult } from '../sandbox.ts';
import type { JobHead } from './child/frames.ts';
import type { Child, Ended, Exit } from './child.ts';
import type { InterpreterCall } from './commands.ts';
import { watchMemory } from './memory.ts';

/** Maximum time to wait for the exit of a killed child, in milliseconds. */
const killGraceMs = 5_000;
/** Memory by which a child itself may grow while its program runs, in bytes, in addition to the program's limit. */
const overheadBytes = 192 * 1024 * 1024;

/** Description of the engine that ran a program. */
export type Engine = NonNullable<ExecutionRecord['engine']>;

/** Options of `runInChild`. */
export interface RunOptions {
  readonly job: Job;
  readonly plan: InterpreterCall;
  /** Child whose interpreter is loaded. */
  readonly child: Child;
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Runs a program in a child until it ends or reaches a limit. The child is killed before this returns. */
export async function runInChild({ job, plan, child, engine, signal, onEvent }: RunOptions): Promise<RunResult> {
  const { limits } = job;
  const output = new OutputCollector(limits.outputBytes, onEvent);
  const artifacts: Artifact[] = [];
  // Reason for which this server killed the child. The first reason counts.
  let stopped: ExecutionStatus | null = null;
  const stop = (why: ExecutionStatus) => {
    stopped ??= why;
    child.kill();
  };
  const cancel = () => stop('cancelled');
  if (signal.aborted) return engineResult(job, 'cancelled', null, engine);
  signal.addEventListener('abort', cancel, { once: true });

  onEvent({ type: 'started', engine });
  const startedAt = performance.now();
  const timer = setTimeout(() => stop('timeout'), limits.wallMs);
  const inputBytes = job.files.reduce((sum, { data }) => sum + data.length, job.stdin.length);
  const memoryBytes = limits.memoryMb * 1024 * 1024;
  const memory = watchMemory(child.pid ?? 0, memoryBytes + overheadBytes + 4 * inputBytes, () => stop('out-of-memory'));
  const running = child.run(headOf(job, plan, memoryBytes), [...job.files.map(({ data }) => data), job.stdin], {
    output: (stream, data) => {
      if (!output.write(stream, data)) stop('output-limit');
    },
    artifact: (path, data) => artifacts.push(artifactOf(path, data)),
  });
  const ended = await running.catch(() => null);
  const wallMs = performance.now() - startedAt;
  clearTimeout(timer);
  const usage = memory.stop();
  signal.removeEventListener('abort', cancel);
  child.kill();
  const exit = await Promise.race([child.exited, after(killGraceMs)]);
  const outcome = stopped ? { ...noOutcome, status: stopped } : endOf(child, ended, exit);
  return {
    ...outcome,
    message: outcome.message ?? (outcome.status === 'ok' ? warningOf(job) : null),
    ...output.end(),
    command: commandOf(job),
    artifacts: outcome.status === 'ok' || outcome.status === 'failed' ? artifacts : [],
    artifactsTruncated: ended?.artifactsTruncated ?? false,
    wallMs,
    cpuMs: ended?.cpuMs ?? (usage.cpuMs > 0 ? usage.cpuMs : null),
    peakMemoryBytes: ended?.peakMemoryBytes ?? (usage.rss > 0 ? usage.rss : null),
    engine,
    image: null,
  };
}

/** Returns the head of a job for the child. The bytes of the files and of the input follow it. */
function headOf({ env, files, stdin, limits }: Job, plan: InterpreterCall, memoryBytes: number): JobHead {
  return {
    ...plan,
    env,
    files: files.map(({ path, data }) => ({ path, bytes: data.length })),
    stdinBytes: stdin.length,
    limits: {
      memoryBytes,
      fileBytes: limits.fileBytes,
      artifacts: bounds.executionArtifacts,
      artifactBytes: bounds.executionArtifactBytes,
    },
  };
}

/**
 * Returns a warning for a successful run that may have missed an error, or null. QuickJS does not report a rejected
 * promise that is never awaited; Node would have ended the program with exit code 1.
 */
function warningOf(job: Job): string | null {
  if (job.language !== 'javascript' && job.language !== 'typescript') return null;
  const asyncCode = /\basync\b|\bPromise\b|\.then\s*\(/;
  if (!job.files.some(({ data }) => asyncCode.test(Buffer.from(data).toString('latin1')))) return null;
  return 'The embedded engine cannot detect a promise that is rejected and never awaited. To be sure, run the program in Docker.';
}

const noOutcome = { exitCode: null, signal: null, message: null };

/** Returns the outcome of a run that this server did not stop. */
function endOf(
  child: Child,
  ended: Ended | null,
  exit: Exit | null,
): Pick<RunResult, 'status' | 'exitCode' | 'signal' | 'message'> {
  if (child.violation !== null) {
    return {
      ...noOutcome,
      status: 'engine-error',
      message: `The program escaped from its interpreter (${child.violation}) and was terminated.`,
    };
  }
  if (ended?.outOfMemory) return { ...noOutcome, exitCode: ended.exitCode, status: 'out-of-memory' };
  if (ended) return { ...noOutcome, exitCode: ended.exitCode, status: ended.exitCode === 0 ? 'ok' : 'failed' };
  if (/out of memory|OOM|Cannot allocate|Array buffer allocation failed/i.test(child.complaints)) {
    return { ...noOutcome, status: 'out-of-memory' };
  }
  // A program that has broken out into JavaScript can end the process itself, so that the exit code proves nothing.
  const how = exit?.signal ?? (exit?.code === null || !exit ? 'without an exit code' : `exit code ${exit.code}`);
  const said = child.complaints.split('\n')[0]?.slice(0, 200).replace(/\.$/, '') ?? '';
  const message = `The interpreter stopped unexpectedly, or the program stopped it (${how}${said ? `: ${said}` : ''}).`;
  return { ...noOutcome, status: 'engine-error', message };
}

/**
 * Returns an artifact from a child's frame.
 * @throws Error if its path leads out of the artifact folder
 */
function artifactOf(path: string, data: Uint8Array): Artifact {
  if (path.split('/').some((name) => name === '' || name === '.' || name === '..') || path.includes('\0')) {
    throw new Error('an artifact outside its folder');
  }
  const sha256 = sha256Hex(data);
  return { path, bytes: data.length, sha256, data: Buffer.from(data).toString('base64') };
}

/** Returns the result of a job that never ran. */
export function engineResult(
  job: Job,
  status: 'engine-error' | 'cancelled',
  message: string | null,
  engine: Engine,
): RunResult {
  return { ...unrun(job), status, message, engine };
}

function after(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms).unref());
}
