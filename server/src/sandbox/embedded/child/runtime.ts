import type { GuestJob } from './channel.ts';

export interface Ending {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
}

/** An interpreter that is loaded and waits for its one program. */
export interface Runtime {
  readonly version: string;
  /** Runs the program to its end. Its output goes out while it runs. */
  run(job: GuestJob): Promise<Ending> | Ending;
  /** The files that the program left in /sandbox/out, by path. */
  artifacts(): Iterable<readonly [path: string, data: Uint8Array]>;
}

/** The working folder of every program, and where it leaves what is to be kept. */
export const workFolder = '/sandbox';
export const outFolder = '/sandbox/out';

/** Finds a file of one of the runtime's packages. */
export type PackageFile = (name: string, path: string) => string;
