import type { ExecutionStatus, Language } from '@devlm/protocol/execution.ts';
import type { Program } from '../sandboxes.ts';

/**
 * A hostile program. If it reaches something that it must not reach, it prints `ESCAPED` and what it reached, so that a
 * test does not depend on how an attack works. `$PORT` is a port of this machine on which a canary listens, `$CANARY` a
 * file of this machine that must not change.
 */
export interface Attack {
  readonly name: string;
  readonly language: Language;
  readonly source: string;
  /** Statuses in which the run may end. Default: it ends by itself. */
  readonly may?: readonly ExecutionStatus[];
  /** Required exit code. */
  readonly exitCode?: number;
  /** Required output, complete. */
  readonly prints?: string;
  /** Time within which it must end, in milliseconds. Default: its time limit and 10 seconds. */
  readonly withinMs?: number;
  readonly limits?: Program['limits'];
  readonly args?: readonly string[];
}

/** Statuses of a program that ended by itself: its action was harmless or was refused. */
export const byItself: readonly ExecutionStatus[] = ['ok', 'failed'];
/** Statuses of a program that exhausts a resource. Which one is exhausted first depends on the machine. */
export const usedUp: readonly ExecutionStatus[] = ['ok', 'failed', 'timeout', 'out-of-memory'];

/** Creates attacks from a table of programs by name, optionally with further properties. */
export function attacks(
  language: Language,
  table: Readonly<Record<string, string | Omit<Attack, 'name' | 'language'>>>,
): Attack[] {
  return Object.entries(table).map(([name, attack]) =>
    typeof attack === 'string' ? { name, language, source: attack } : { name, language, ...attack },
  );
}
