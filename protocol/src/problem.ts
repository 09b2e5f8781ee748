import * as z from 'zod';
import type { ErrorCode } from './error-codes.ts';

/** An action that the page can offer next to a problem. */
export const ProblemAction = z.enum([
  'set-key',
  'set-token',
  'retry',
  'pick-model',
  'open-settings',
  'new-conversation',
  'show-log',
  'restart-server',
]);
export type ProblemAction = z.infer<typeof ProblemAction>;

/**
 * The form in which errors leave a process: RFC 9457 problem details, with a stable `code` for programs and a `detail`
 * sentence that the user can act on.
 */
export const Problem = z.object({
  /** Stable code in snake_case. */
  code: z.string().regex(/^[a-z][a-z0-9_]*$/),
  /** HTTP status, also if no HTTP is involved. */
  status: z.int().min(100).max(599),
  title: z.string(),
  detail: z.string(),
  requestId: z.string().optional(),
  action: ProblemAction.optional(),
  /** A diff for the user of the files that prevent the action because their content is not as expected. */
  diff: z.string().max(40_000).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** A problem of this process. Its code is in the registry. */
export type OwnProblem = Problem & { readonly code: ErrorCode };

/** A problem that another process reported. A newer version may have codes that this one does not know. */
export const ReceivedProblem = Problem.brand<'ReceivedProblem'>();
export type ReceivedProblem = z.infer<typeof ReceivedProblem>;

/** The only error class that crosses module boundaries. Any other thrown error is a bug. */
export class ProblemError extends Error {
  readonly problem: OwnProblem | ReceivedProblem;
  /** Milliseconds after which the same request may succeed, if the cause is known to be temporary. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: OwnProblem | ReceivedProblem, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(problem.detail, { cause: options.cause });
    this.name = 'ProblemError';
    this.problem = problem;
    this.retryAfterMs = options.retryAfterMs;
  }
}
