import type {
  Artifact,
  ExecutionEngine,
  ExecutionEvent,
  ExecutionLimits,
  ExecutionRecord,
  Language,
  SandboxStatus,
} from '@devlm/protocol/execution.ts';

/** A program, checked and complete: every default is filled in, every path is safe, every bound is set. */
export interface Job {
  readonly id: string;
  readonly language: Language;
  /** Paths are relative to the working folder, have no `.` or `..`, and none is a folder of another. */
  readonly files: readonly JobFile[];
  readonly run: JobRun;
  readonly stdin: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
  readonly limits: ExecutionLimits;
  /** Host names that it may reach; empty: no network. */
  readonly allowedHosts: readonly string[];
}

export interface JobFile {
  readonly path: string;
  readonly data: Uint8Array;
}

export type JobRun =
  | { readonly kind: 'entry'; readonly entry: string; readonly args: readonly string[] }
  | { readonly kind: 'command'; readonly command: readonly string[] };

/** What a run says while it goes on. */
export type RunEvent = Extract<ExecutionEvent, { type: 'preparing' | 'started' | 'output' }>;

/** The part of the record that only the engine knows. */
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

/** As `SandboxStatus`, of one engine. */
export type EngineStatus = Omit<SandboxStatus, 'engine'> & { readonly available: boolean };

/** The port of everything that runs programs. One contract suite covers every adapter. */
export interface Sandbox {
  readonly kind: 'docker' | 'embedded';
  /**
   * Runs a program to its end, its limits, or the signal. Never rejects and never hangs: every path
   * ends in a result, an engine that cannot in `engine-error` with a sentence that says what to do.
   * When it answers, nothing of the run is left, or its removal is under way.
   *
   * @param hear is told of output as it comes, decoded, no more than the result holds; `started`
   *   comes before any output, `preparing` before `started`. It must not throw.
   */
  run(job: Job, signal: AbortSignal, hear: (event: RunEvent) => void): Promise<RunResult>;
  /** Answers within 5 seconds, whatever the engine does. */
  status(): Promise<EngineStatus>;
  /** Ends what runs, as `cancelled`, and removes what it keeps warm. Safe to call twice. */
  close(): Promise<void>;
}

/** A sandbox that is made when it is first used: what it stands on is not loaded for those who never run anything. */
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
