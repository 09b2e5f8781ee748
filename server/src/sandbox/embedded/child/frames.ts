/*
 * Protocol between the server and a child. The child writes frames to its standard output: a kind (1 byte), a length
 * (4 bytes, little endian), then as many bytes. The server writes one job to the child's standard input: the length of
 * its head (4 bytes), the head as JSON, then the bytes of the files in the head's order, then the bytes of the program's
 * standard input.
 *
 * The child runs an untrusted program, so that the server must validate everything it receives.
 */

/** Kinds of frames that a child sends. */
export const frameKinds = {
  /** JSON `ReadyFrame`. The interpreter is loaded and the child waits for a job. */
  ready: 0,
  stdout: 1,
  stderr: 2,
  /** Length of the head (4 bytes), the JSON `ArtifactHead`, then the file's bytes. */
  artifact: 3,
  /** JSON `EndedFrame`. It is the last frame. */
  ended: 4,
  /** Memory snapshot of an interpreter that has just started, from which later interpreters start. */
  snapshot: 5,
} as const;
/** Number of a frame kind. */
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

/** Size of a frame's head, in bytes. */
export const frameHeadBytes = 5;
/** Maximum size of an output frame, in bytes. */
export const outputFrameBytes = 64 * 1024;

/** Name of a runtime, which serves one or more languages. */
export type RuntimeName = 'python' | 'quickjs' | 'ruby';

/** Settings of a child, which are the single argument of its program, as JSON. */
export interface ChildSettings {
  readonly runtime: RuntimeName;
  /** Folders of the packages, by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** Folders with the modules that QuickJS programs may import, and with the packages that these are built on. */
  readonly guest: { readonly modules: string; readonly packages: string };
  /** Whether its program will be TypeScript. */
  readonly typescript: boolean;
  /** Snapshot file that the interpreter starts from. If it is null, a Python child creates a snapshot and exits. */
  readonly snapshot: string | null;
}

/** Program to run, in the working folder. */
export type Program =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'code'; readonly code: string }
  /** Python's `-m`. */
  | { readonly kind: 'module'; readonly name: string }
  /** `node --test`. Without paths, it runs all files whose names match a test. */
  | { readonly kind: 'tests'; readonly paths: readonly string[] };

/** Head of a job. The contents of its files and its input follow it. */
export interface JobHead {
  readonly program: Program;
  readonly args: readonly string[];
  /** Folders of Ruby's `-I`. */
  readonly include: readonly string[];
  /** Libraries of Ruby's `-r`. */
  readonly require: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly stdinBytes: number;
  readonly limits: {
    readonly memoryBytes: number;
    readonly fileBytes: number;
    readonly artifacts: number;
    readonly artifactBytes: number;
  };
}

/** Content of a `ready` frame. */
export interface ReadyFrame {
  /** Version of the runtime, such as `pyodide 314.0.7 (Python 3.14.2)`. */
  readonly version: string;
  /** Whether Node's permission model denies the child the network. */
  readonly networkDenied: boolean;
}

/** Head of an `artifact` frame. */
export interface ArtifactHead {
  readonly path: string;
}

/** Content of an `ended` frame. */
export interface EndedFrame {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly artifactsTruncated: boolean;
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
}
