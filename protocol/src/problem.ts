import * as z from 'zod';

/** What the page can offer beside a problem's sentence. */
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
 * The one shape of an error outside a process: RFC 9457 problem details, with a stable `code`
 * for programs and a `detail` sentence that a person can act on.
 */
export const Problem = z.object({
  /** Stable, snake_case. */
  code: z.string().regex(/^[a-z][a-z0-9_]*$/),
  /** HTTP status, also where no HTTP was involved. */
  status: z.int().min(100).max(599),
  title: z.string(),
  detail: z.string(),
  requestId: z.string().optional(),
  action: ProblemAction.optional(),
  /** What is in the way, for a person to read: files that are not what they should be, as a difference. */
  diff: z.string().max(40_000).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** The one error class that crosses rooms; everything else that is thrown is a bug. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Milliseconds after which the same request may succeed, where the cause is known to pass. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(problem.detail, { cause: options.cause });
    this.name = 'ProblemError';
    this.problem = problem;
    this.retryAfterMs = options.retryAfterMs;
  }
}
