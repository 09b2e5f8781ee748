import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { cut } from '../tool.ts';

/** Returns a text for the model that describes a record. The user sees the record itself. */
export function describeRecord(record: ExecutionRecord): string {
  const ended: Record<ExecutionRecord['status'], string> = {
    ok: 'ended with exit code 0',
    failed: record.signal ? `was terminated by ${record.signal}` : `ended with exit code ${record.exitCode}`,
    timeout: `was terminated at its time limit of ${record.limits.wallMs} ms`,
    'out-of-memory': `ran out of memory (limit: ${record.limits.memoryMb} MiB)`,
    'output-limit': `printed more than its limit of ${record.limits.outputBytes} bytes and was terminated`,
    cancelled: 'was stopped by the user',
    'engine-error': `could not be run. ${record.message ?? ''}`,
  };
  const parts = [`The program ${ended[record.status].trim()} (${Math.round(record.wallMs)} ms).`];
  for (const stream of ['stdout', 'stderr'] as const) {
    if (record[stream] !== '') parts.push(`${stream}:\n${cut(record[stream], 20_000)}`);
    if (record.truncated[stream]) parts.push(`(${stream} was truncated.)`);
  }
  if (record.artifacts.length > 0)
    parts.push(
      `It wrote these files: ${record.artifacts.map(({ path, bytes }) => `${path} (${bytes} bytes)`).join(', ')}`,
    );
  return parts.join('\n');
}
