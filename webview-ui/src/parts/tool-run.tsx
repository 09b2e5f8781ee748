import { useEffect } from 'preact/hooks';
import { executionEnded, runPlace } from '../state/runs.ts';
import { transport } from '../transport.ts';
import { Receipt, RunStatus } from './run-panel.tsx';

interface ToolRunProps {
  turnId: string;
  callId: string;
  executionId: string;
  /** Whether to show the whole run instead of its status line. */
  whole: boolean;
}

/** Maximum length of the name of a run's place. */
const maxPartChars = 64;

/** The server's record of a program that a tool ran, not the model's account of it. */
export function ToolRun({ turnId, callId, executionId, whole }: ToolRunProps) {
  const place = runPlace(turnId, callId.slice(0, maxPartChars));
  const current = place?.run.value;
  const isKnown = current?.id === executionId && current.record !== null;
  useEffect(() => {
    if (isKnown) return;
    // Usually the record comes with the conversation, or in a notice when the program ends.
    transport.call('executions.get', { params: { executionId } }).then(
      ({ record }) => record && executionEnded(record),
      () => undefined,
    );
  }, [isKnown, executionId]);
  if (!isKnown || !place || !current) return null;
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
