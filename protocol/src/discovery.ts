import * as z from 'zod';
import { Problem } from './problem.ts';

/*
 * How an extension finds the embedded server of its user, and how a server that cannot start reports why. Both run on
 * the same machine and share one data folder.
 */

/** Name of the discovery file in the data folder. The file has mode 0600, the folder mode 0700. */
export const discoveryFile = 'server.json';

/** Name of the folder for logs in the data folder. */
export const logsFolder = 'logs';

/**
 * The discovery file. A server writes it atomically (write and rename) once it listens, and removes it when it ends. A
 * file left behind by a dead server is recognized by its `pid`, and by a `/backend/info` that does not return the same
 * `pid` and `version`.
 */
export const Discovery = z.object({
  /** IP address that the server listens on. An embedded server listens on loopback. */
  host: z.string().max(100).default('127.0.0.1'),
  port: z.int().min(1).max(65_535),
  /** Bearer secret of this launch. It is never logged, and never sent anywhere but to `port`. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{32,256}$/),
  pid: z.int().min(1),
  version: z.string().min(1).max(64),
  protocol: z.int().min(1),
  /** ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
});
export type Discovery = z.infer<typeof Discovery>;

/** The last line on stderr of a server that exits with `exitCodes.failed` during its start. */
export const StartupFailure = z.object({ problem: Problem });
export type StartupFailure = z.infer<typeof StartupFailure>;

/** Exit codes of `server.mjs serve`. */
export const exitCodes = {
  /** Ended on request, or because it was no longer needed. */
  ended: 0,
  /** Could not start or continue. The last line on stderr is a `StartupFailure`. */
  failed: 1,
  /** Another server uses the data folder: read the discovery file again. */
  alreadyRunning: 3,
} as const;
