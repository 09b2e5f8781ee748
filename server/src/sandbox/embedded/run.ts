import { createHash } from 'node:crypto';
import type { Artifact, ExecutionRecord, ExecutionStatus } from '@devlm/protocol/execution.ts';
import { limits as bounds } from '@devlm/protocol/limits.ts';
import { Output } from '../output.ts';
import type { Job, RunEvent, RunResult } from '../sandbox.ts';
import type { JobHead } from './child/frames.ts';
import type { Child, Ended, Exit } from './child.ts';
import { type Plan, shownCommand } from './commands.ts';
import { watchMemory } from './memory.ts';

/** Milliseconds that a child which was killed has to be gone. */
const killGraceMs = 5_000;
/** Bytes of a child's own memory that may grow with what its program does, beside the program's. */
const overheadBytes = 192 * 1024 * 1024;

export type Engine = NonNullable<ExecutionRecord['engine']>;

export interface RunOptions {
  readonly job: Job;
  readonly plan: Plan;
  /** Its interpreter is loaded. */
  readonly child: Child;
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly hear: (event: RunEvent) => void;
}

/** Gives a child its program, and sees to its end. The child is gone when this answers. */
export async function runInChild({ job, plan, child, engine, signal, hear }: RunOptions): Promise<RunResult> {
  const { limits } = job;
  const output = new Output(limits.outputBytes, hear);
  const artifacts: Artifact[] = [];
  // Why it was ended by us; the first reason counts.
  let stopped: ExecutionStatus | null = null;
  const stop = (why: ExecutionStatus) => {
    stopped ??= why;
    child.kill();
  };
  const cancel = () => stop('cancelled');
  if (signal.aborted) return engineResult(job, 'cancelled', null, engine);
  signal.addEventListener('abort', cancel, { once: true });

  hear({ type: 'started', engine });
  const startedAt = performance.now();
  const timer = setTimeout(() => stop('timeout'), limits.wallMs);
  const inputBytes = job.files.reduce((sum, { data }) => sum + data.length, job.stdin.length);
  const memoryBytes = limits.memoryMb * 1024 * 1024;
  const memory = watchMemory(child.pid ?? 0, memoryBytes + overheadBytes + 4 * inputBytes, () => stop('out-of-memory'));
  const said = child.run(headOf(job, plan, memoryBytes), [...job.files.map(({ data }) => data), job.stdin], {
    output: (stream, data) => {
      if (!output.write(stream, data)) stop('output-limit');
    },
    artifact: (path, data) => artifacts.push(artifactOf(path, data)),
  });
  const ended = await said.catch(() => null);
  const wallMs = performance.now() - startedAt;
  clearTimeout(timer);
  const used = memory.stop();
  signal.removeEventListener('abort', cancel);
  child.kill();
  const exit = await Promise.race([child.exited, later(killGraceMs)]);
  const end = stopped ? { ...nothing, status: stopped } : endOf(child, ended, exit);
  return {
    ...end,
    message: end.message ?? (end.status === 'ok' ? caveatOf(job) : null),
    ...output.end(),
    command: shownCommand(job),
    artifacts: end.status === 'ok' || end.status === 'failed' ? artifacts : [],
    artifactsTruncated: ended?.artifactsTruncated ?? false,
    wallMs,
    cpuMs: ended?.cpuMs ?? (used.cpuMs > 0 ? used.cpuMs : null),
    peakMemoryBytes: ended?.peakMemoryBytes ?? (used.rss > 0 ? used.rss : null),
    engine,
    image: null,
  };
}

/** Returns what a child is told of a job; the bytes of the files and of the input follow it. */
function headOf({ env, files, stdin, limits }: Job, plan: Plan, memoryBytes: number): JobHead {
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
 * What a success does not say. QuickJS tells nobody of a promise that was rejected and never awaited; Node
 * would have ended the program with exit code 1.
 */
function caveatOf(job: Job): string | null {
  if (job.language !== 'javascript' && job.language !== 'typescript') return null;
  const waits = /\basync\b|\bPromise\b|\.then\s*\(/;
  if (!job.files.some(({ data }) => waits.test(Buffer.from(data).toString('latin1')))) return null;
  return 'The embedded engine does not see a promise that is rejected and never awaited. Run it in Docker to be sure.';
}

const nothing = { exitCode: null, signal: null, message: null };

function endOf(
  child: Child,
  ended: Ended | null,
  exit: Exit | null,
): Pick<RunResult, 'status' | 'exitCode' | 'signal' | 'message'> {
  if (child.violation !== null) {
    return {
      ...nothing,
      status: 'engine-error',
      message: `The program broke out of its language (${child.violation}); it was ended.`,
    };
  }
  if (ended?.outOfMemory) return { ...nothing, exitCode: ended.exitCode, status: 'out-of-memory' };
  if (ended) return { ...nothing, exitCode: ended.exitCode, status: ended.exitCode === 0 ? 'ok' : 'failed' };
  if (/out of memory|OOM|Cannot allocate|Array buffer allocation failed/i.test(child.complaints)) {
    return { ...nothing, status: 'out-of-memory' };
  }
  // It can do so once it has reached JavaScript, and says nothing true by the code that it chose.
  const how = exit?.signal ?? (exit?.code === null || !exit ? 'without an exit code' : `exit code ${exit.code}`);
  const said = child.complaints.split('\n')[0]?.slice(0, 200).replace(/\.$/, '') ?? '';
  const message = `The program ended its interpreter, or that ended by itself (${how}${said ? `: ${said}` : ''}).`;
  return { ...nothing, status: 'engine-error', message };
}

function artifactOf(path: string, data: Uint8Array): Artifact {
  if (path.split('/').some((name) => name === '' || name === '.' || name === '..') || path.includes('\0')) {
    throw new Error('an artifact outside of its folder');
  }
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { path, bytes: data.length, sha256, data: Buffer.from(data).toString('base64') };
}

/** The result of a job that never ran. */
export function engineResult(
  job: Job,
  status: 'engine-error' | 'cancelled',
  message: string | null,
  engine: Engine,
): RunResult {
  return {
    ...nothing,
    status,
    message,
    ...new Output(0, () => {}).end(),
    command: shownCommand(job),
    artifacts: [],
    artifactsTruncated: false,
    wallMs: 0,
    cpuMs: null,
    peakMemoryBytes: null,
    engine,
    image: null,
  };
}

function later(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms).unref());
}
