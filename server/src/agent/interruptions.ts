import type { Problem } from '@devlm/protocol/problem.ts';

/*
 * Why the work on a turn is cut short, other than by an error: as the reason of its signal, or as the problem of a step
 * that a dead server left.
 */

/** The reason of a signal by which the user stops a turn. */
export class Stopped extends Error {}

/** The reason of a signal by which a server that shuts down leaves a turn to the next one. */
export class Closing extends Error {}

/** Why a step that a dead server left running does not count. */
export const serverRestarted: Problem = {
  code: 'server_restarted',
  status: 503,
  title: 'The server was restarted',
  detail: 'The companion server ended while it was answering. The question was asked again.',
};
