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
  /** In which the run may end; default: by itself. */
  readonly may?: readonly ExecutionStatus[];
  /** Exit code that it must end with. */
  readonly exitCode?: number;
  /** The whole of what it must print. */
  readonly prints?: string;
  /** Milliseconds after which it must have ended; default: its wall limit and 10 seconds. */
  readonly withinMs?: number;
  readonly limits?: Program['limits'];
  readonly args?: readonly string[];
}

/** Ended by itself: it could do what it wanted, which was harmless, or was told that it may not. */
export const byItself: readonly ExecutionStatus[] = ['ok', 'failed'];
/** It takes until something is used up; which one is first depends on the machine. */
export const usedUp: readonly ExecutionStatus[] = ['ok', 'failed', 'timeout', 'out-of-memory'];

/** Makes attacks of a table: name -> program, or program and what else is to be said. */
export function attacks(
  language: Language,
  table: Readonly<Record<string, string | Omit<Attack, 'name' | 'language'>>>,
): Attack[] {
  return Object.entries(table).map(([name, attack]) =>
    typeof attack === 'string' ? { name, language, source: attack } : { name, language, ...attack },
  );
}
