import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { peakMemory, runTime, runtimeOf, statusWords } from '@devlm/protocol/run-words.ts';
import type { Translate } from '../ports.ts';

/** Returns a one-line summary of a run: status, time, memory, engine. */
export function receiptLine(record: ExecutionRecord, t: Translate): string {
  const { wallMs, peakMemoryBytes, engine, image } = record;
  const parts = [statusWords(record, t), ...(engine ? [runTime(wallMs, t)] : [])];
  if (engine && peakMemoryBytes !== null) parts.push(peakMemory(peakMemoryBytes, t));
  if (engine?.kind === 'docker') parts.push(`Docker ${image?.name ?? engine.runtime}`);
  if (engine?.kind === 'embedded') {
    const runtime = runtimeOf(engine);
    parts.push(
      runtime === null
        ? t('Embedded engine: Docker is not running')
        : t('Embedded engine: Docker is not running ({0})', runtime),
    );
  }
  const line = parts.join(' · ');
  return record.message === null ? line : `${line}\n${record.message}`;
}
