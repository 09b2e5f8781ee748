import type { OwnProblem } from '@devlm/protocol/problem.ts';

/*
 * Reasons why the work on a turn is interrupted other than by an error: the reason of its signal, or the problem of a
 * step that a dead server left.
 */

/** The reason of a signal with which the user stops a turn. */
export class Stopped extends Error {}

/** The reason of a signal with which a server that shuts down leaves a turn to the next one. */
export class Closing extends Error {}

/** The problem of a step that a dead server left running. */
export const serverRestarted: OwnProblem = {
  code: 'server_restarted',
  status: 503,
  title: 'The server was restarted',
  detail: 'The companion server stopped during this answer. DevLM asked the model again.',
};
