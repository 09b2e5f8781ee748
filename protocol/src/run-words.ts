import type { ExecutionEngine, ExecutionRecord } from './execution.ts';

/*
 * The words in which the extension and the chat page describe a run. `t` is the caller's translation function: the
 * English text is the key, and `{0}` is replaced by an argument.
 */

type Translate = (text: string, ...args: (string | number)[]) => string;

/** Describes the status of a run. For a successful run it says only "Exit 0". */
export function statusWords({ status, exitCode, signal, limits }: ExecutionRecord, t: Translate): string {
  switch (status) {
    case 'ok':
      return t('Exit {0}', 0);
    case 'failed':
      if (exitCode === null) return signal === null ? t('Failed') : t('Ended by {0}', signal);
      return signal === null ? t('Exit {0}', exitCode) : t('Exit {0} ({1})', exitCode, signal);
    case 'timeout':
      return t('Timed out after {0} s', limits.wallMs / 1000);
    case 'out-of-memory':
      return t('Out of memory ({0} MB)', limits.memoryMb);
    case 'output-limit':
      return t('Too much output');
    case 'cancelled':
      return t('Stopped');
    case 'engine-error':
      return t('Could not run');
  }
}

/** Formats a duration in milliseconds as milliseconds or seconds. */
export function runTime(ms: number, t: Translate): string {
  return ms < 1000 ? t('{0} ms', Math.round(ms)) : t('{0} s', (ms / 1000).toFixed(1));
}

/** Formats the peak memory of a run, in the same unit as its memory limit. */
export function peakMemory(bytes: number, t: Translate): string {
  return t('{0} MB', (bytes / 1_048_576).toFixed(1));
}

/** Returns the name of the runtime, or null if the engine has none for the language, which it reports as "none". */
export function runtimeOf({ runtime }: ExecutionEngine): string | null {
  return runtime === 'none' ? null : runtime;
}
