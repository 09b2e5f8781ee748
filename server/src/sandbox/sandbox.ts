import type {
  Artifact,
  ExecutionEngine,
  ExecutionEvent,
  ExecutionLimits,
  ExecutionRecord,
  Language,
  SandboxStatus,
} from '@devlm/protocol/execution.ts';

/** A validated program with all defaults, safe paths and all limits. */
export interface Job {
  readonly id: string;
  readonly language: Language;
  /** Files with paths relative to the working folder, without `.` or `..`. No path is a parent folder of another. */
  readonly files: readonly JobFile[];
  readonly run: JobRun;
  readonly stdin: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
  readonly limits: ExecutionLimits;
  /** Hosts that the program may reach. If empty, it has no network. */
  readonly allowedHosts: readonly string[];
}

/** A file of a job. */
export interface JobFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** What a job runs: an entry file, or a command. */
export type JobRun =
  | { readonly kind: 'entry'; readonly entry: string; readonly args: readonly string[] }
  | { readonly kind: 'command'; readonly command: readonly string[] };

/** Event of a run in progress. */
export type RunEvent = Extract<ExecutionEvent, { type: 'preparing' | 'started' | 'output' }>;

/** Part of an execution record that comes from the engine. */
export type RunResult = Pick<
  ExecutionRecord,
  | 'status'
  | 'exitCode'
  | 'signal'
  | 'message'
  | 'stdout'
  | 'stderr'
  | 'order'
  | 'truncated'
  | 'artifactsTruncated'
  | 'wallMs'
  | 'cpuMs'
  | 'peakMemoryBytes'
  | 'image'
> & { readonly artifacts: readonly Artifact[]; readonly command: readonly string[]; readonly engine: ExecutionEngine };

/** `SandboxStatus` of a single engine. */
export type EngineStatus = Omit<SandboxStatus, 'engine'> & { readonly available: boolean };

/** Port for engines that run programs. One contract suite covers all adapters. */
export interface Sandbox {
  readonly kind: 'docker' | 'embedded';
  /**
   * Runs a program until it ends, reaches a limit or the signal aborts. It never rejects and never hangs: if the engine
   * fails, the status is `engine-error` with a message that says what to do. When it returns, everything that belongs
   * to the run has been removed or is being removed.
   *
   * @param onEvent receives the decoded output as it arrives, no more than the result contains. `started` comes before
   *   any output, `preparing` before `started`. It must not throw.
   */
  run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult>;
  /** Returns the status within 5 seconds, whatever the engine does. */
  status(): Promise<EngineStatus>;
  /** Ends all runs with status `cancelled` and removes all warm containers or children. Safe to call twice. */
  close(): Promise<void>;
}

/** Returns a sandbox that is created on first use, so that its dependencies are not loaded if no program is run. */
export function lazySandbox(kind: Sandbox['kind'], open: () => Promise<Sandbox>): Sandbox {
  let opened: Promise<Sandbox> | undefined;
  const sandbox = () => {
    opened ??= open();
    return opened;
  };
  return {
    kind,
    run: async (...run) => (await sandbox()).run(...run),
    status: async () => (await sandbox()).status(),
    close: async () => (await opened)?.close(),
  };
}
