import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import type { Translate } from '../ports.ts';

/** Returns a one-line summary of a run: status, time, memory, engine. */
export function receiptLine(record: ExecutionRecord, t: Translate): string {
  const { wallMs, peakMemoryBytes, engine, image } = record;
  const time = wallMs < 1000 ? t('{0} ms', Math.round(wallMs)) : t('{0} s', (wallMs / 1000).toFixed(1));
  const parts = [statusWords(record, t), ...(engine ? [time] : [])];
  if (engine && peakMemoryBytes !== null) parts.push(t('{0} MB', (peakMemoryBytes / 1_048_576).toFixed(1)));
  if (engine?.kind === 'docker') parts.push(`Docker ${image?.name ?? engine.runtime}`);
  if (engine?.kind === 'embedded') parts.push(t('Embedded engine: Docker is not running ({0})', engine.runtime));
  const line = parts.join(' · ');
  return record.message === null ? line : `${line}\n${record.message}`;
}

function statusWords({ status, exitCode, signal, limits }: ExecutionRecord, t: Translate): string {
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
