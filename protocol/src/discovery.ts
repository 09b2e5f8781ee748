import * as z from 'zod';
import { Problem } from './problem.ts';

/*
 * How an extension finds the embedded server of its user, and how a server that cannot start
 * says why. Both sides are on one machine and share one data folder.
 */

/** Name of the discovery file in the data folder. Mode 0600, in a folder of mode 0700. */
export const discoveryFile = 'server.json';

/** Folder of logs in the data folder. */
export const logsFolder = 'logs';

/**
 * The discovery file: written by a server, whole (write and rename), once it listens, and
 * removed when it ends. One that a dead server left behind is recognised by its `pid`, and by
 * a `/backend/info` that does not answer with the same `pid` and `version`.
 */
export const Discovery = z.object({
  /** IP address that it listens on; a server of one person is on loopback. */
  host: z.string().max(100).default('127.0.0.1'),
  port: z.int().min(1).max(65_535),
  /** Bearer secret of this launch. Never logged, never sent anywhere but to `port`. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{32,256}$/),
  pid: z.int().min(1),
  version: z.string().min(1).max(64),
  protocol: z.int().min(1),
  /** ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
});
export type Discovery = z.infer<typeof Discovery>;

/** The last line on stderr of a server that ends with `exitCodes.failed` while it starts. */
export const StartupFailure = z.object({ problem: Problem });
export type StartupFailure = z.infer<typeof StartupFailure>;

/** What the exit code of `server.mjs serve` means. */
export const exitCodes = {
  /** Asked to end, or nobody needed it any more. */
  ended: 0,
  /** Could not start or go on; the last line on stderr is a `StartupFailure`. */
  failed: 1,
  /** Another server holds the data folder: read the discovery file again. */
  alreadyRunning: 3,
} as const;
