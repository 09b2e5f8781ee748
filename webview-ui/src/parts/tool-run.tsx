import { useEffect } from 'preact/hooks';
import { executionEnded, runPlace } from '../state/runs.ts';
import { transport } from '../transport.ts';
import { Receipt, RunStatus } from './run-panel.tsx';

interface ToolRunProps {
  turnId: string;
  callId: string;
  executionId: string;
  /** All of the receipt, rather than its first line. */
  whole: boolean;
}

/** Longest name of a place that a run can have. */
const partChars = 64;

/** What the server recorded of the program that a tool ran: its word for how it ended, not the model's. */
export function ToolRun({ turnId, callId, executionId, whole }: ToolRunProps) {
  const place = runPlace(turnId, callId.slice(0, partChars));
  const current = place?.run.value;
  const known = current?.id === executionId && current.record !== null;
  useEffect(() => {
    if (known) return;
    // Usually it came with the conversation, or as a notice when the program ended.
    transport.call('executions.get', { params: { executionId } }).then(
      ({ record }) => record && executionEnded(record),
      () => undefined,
    );
  }, [known, executionId]);
  if (!known || !place || !current) return null;
  return whole ? (
    <div class="markdown">
      <div class="code-block">
        <Receipt current={current} place={place} />
      </div>
    </div>
  ) : (
    <div class="tool-run">
      <RunStatus current={current} />
    </div>
  );
}
