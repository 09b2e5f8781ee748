/*
 * What the server and a child say to each other. The child writes frames to its standard output: a
 * kind (1 byte), a length (4 bytes, little endian), so many bytes. The server writes one job to the
 * child's standard input: the length of its head (4 bytes), the head as JSON, then the bytes of the
 * files in the head's order, then those of the program's standard input.
 *
 * The child's side holds a program that nobody trusts: the server believes nothing but the format.
 */

export const frameKinds = {
  /** JSON: `ReadyFrame`. The interpreter is loaded; a job may come. */
  ready: 0,
  stdout: 1,
  stderr: 2,
  /** JSON `ArtifactHead` behind its length (4 bytes), then the file's bytes. */
  artifact: 3,
  /** JSON: `EndedFrame`. Nothing follows it. */
  ended: 4,
  /** The memory of an interpreter that has just started, for the next ones to start from. */
  snapshot: 5,
} as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

export const frameHeadBytes = 5;
/** Most output in one frame. */
export const outputFrameBytes = 64 * 1024;

/** Families of languages that one runtime serves. */
export type RuntimeName = 'python' | 'quickjs' | 'ruby';

/** How a child is started: the one argument of its program, as JSON. */
export interface ChildSettings {
  readonly runtime: RuntimeName;
  /** Folders of the packages, by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** Folder with the modules that QuickJS programs may import. */
  readonly guest: string;
  /** Its program will be TypeScript. */
  readonly typescript: boolean;
  /** File that an interpreter starts from; null: it makes one and ends. */
  readonly snapshot: string | null;
}

/** What is to be run, in the working folder. */
export type Program =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'code'; readonly code: string }
  /** Python's `-m`. */
  | { readonly kind: 'module'; readonly name: string }
  /** `node --test`; no paths: every file named as a test is. */
  | { readonly kind: 'tests'; readonly paths: readonly string[] };

export interface JobHead {
  readonly program: Program;
  readonly args: readonly string[];
  /** Ruby's `-I` and `-r`. */
  readonly include: readonly string[];
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

export interface ReadyFrame {
  /** For example `Python 3.14.2`. */
  readonly version: string;
  /** Node's permission model keeps it from the network. */
  readonly networkDenied: boolean;
}

export interface ArtifactHead {
  readonly path: string;
}

export interface EndedFrame {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly artifactsTruncated: boolean;
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
}
