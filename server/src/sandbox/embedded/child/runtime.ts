import type { GuestJob } from './channel.ts';

/** Outcome of a program. */
export interface ProgramExit {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
}

/** A loaded interpreter that waits for its single program. */
export interface Runtime {
  readonly version: string;
  /** Runs the program to its end and sends its output while it runs. */
  run(job: GuestJob): Promise<ProgramExit> | ProgramExit;
  /** Returns the files that the program left in /sandbox/out, by path. */
  artifacts(): Iterable<readonly [path: string, data: Uint8Array]>;
}

/** Working folder of every program. */
export const workFolder = '/sandbox';
/** Folder for the artifacts of a program. */
export const outFolder = '/sandbox/out';

/** Function that returns the path of a file in one of the runtime's packages. */
export type PackageFile = (name: string, path: string) => string;
