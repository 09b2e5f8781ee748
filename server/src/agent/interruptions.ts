import type { OwnProblem } from '@devlm/protocol/problem.ts';

/*
 * Reasons other than errors for which the work on a turn is interrupted: the reason of its signal, or the problem of a
 * step that a dead server left.
 */

/** The abort reason of a turn that the user stops. */
export class Stopped extends Error {}

/** The abort reason of a turn that a server leaves to the next server when it shuts down. */
export class Closing extends Error {}

/** The problem of a step that a dead server left running. */
export const serverRestarted: OwnProblem = {
  code: 'server_restarted',
  status: 503,
  title: 'The server was restarted',
  detail: 'The companion server stopped during this answer. DevLM asked the model again.',
};
