import type { BlockState, RetryState, StepState, ToolCallState } from '@devlm/protocol/state.ts';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { Markdown } from '../markdown/markdown.tsx';
import type { MountCode } from '../markdown/view.ts';
import { AskView } from './ask.tsx';
import { CompactionCard } from './compaction-card.tsx';
import { Icon } from './icon.tsx';
import { Links } from './links.tsx';
import { memo } from './memo.ts';
import { mountRun } from './run-panel.tsx';
import { Thinking } from './thinking.tsx';
import { ToolCard } from './tool-card.tsx';

interface StepProps {
  step: StepState;
  live: boolean;
  turnId: string;
  /** Position in the turn, 1-based. */
  nth: number;
}

/** A model call, with its thinking, text and tool calls. */
export const Step = memo(({ step, live, turnId, nth }: StepProps) => {
  if (step.purpose === 'pause') {
    return Object.entries(step.calls).map(([callId, call]) => (
      <AskView key={callId} {...{ turnId, callId, call }} open={live && !call.answer} returnFocus={{ current: null }} />
    ));
  }
  if (step.compaction || (step.purpose && step.status !== 'abandoned')) {
    return (
      <>
        <CompactionCard step={step} live={live} />
        {step.retry && <Retry retry={step.retry} />}
      </>
    );
  }
  if (step.status === 'abandoned') {
    return (
      <div class="note">
        <Icon name="debug-disconnect" />
        <span>{t('The answer was interrupted and restarted: {0}', step.problem?.detail ?? '')}</span>
      </div>
    );
  }
  return (
    <>
      {step.blocks.map((block) => (
        <StepBlock
          key={block.index}
          block={block}
          step={step}
          live={live}
          turnId={turnId}
          mountCode={(code, order) => mountRun(code, turnId, `block-${nth}.${block.index}.${order}`)}
        />
      ))}
      {live && strayAsks(step).map(([callId, call]) => <StrayAsk key={callId} {...{ turnId, callId, call }} />)}
      {step.retry && <Retry retry={step.retry} />}
    </>
  );
});

interface StepBlockProps {
  block: BlockState;
  step: StepState;
  live: boolean;
  turnId: string;
  mountCode: MountCode;
}

function StepBlock({ block, step, live, turnId, mountCode }: StepBlockProps) {
  const done = block.done || !live;
  switch (block.kind) {
    case 'text':
      return (
        <>
          <Markdown text={block.text} done={done} mountCode={mountCode} />
          <Sources block={block} />
        </>
      );
    case 'thinking':
      return <Thinking block={block} live={live} />;
    case 'tool_call':
      return <ToolCard turnId={turnId} block={block} {...callOf(step, block)} live={live} />;
    case 'server_tool': {
      const answer = step.blocks.find(
        (candidate) => candidate.kind === 'server_tool_result' && candidate.tool?.callId === block.tool?.callId,
      );
      const text = answer && (answer.text !== '' ? answer.text : JSON.stringify(answer.opaque, null, 2));
      const result = text === undefined ? undefined : { ok: !isError(answer?.opaque), text };
      return <ToolCard turnId={turnId} block={block} result={result} live={live} />;
    }
    case 'server_tool_result':
      // The card of its call shows the result.
      return null;
  }
}

/** Returns the state of a block's call. A call that has not started waits while another one asks or runs. */
function callOf(step: StepState, { tool }: BlockState) {
  const id = tool?.callId ?? '';
  const call = step.calls[id];
  const isBusy = ([otherId, { ask, answer, started }]: [string, ToolCallState]) =>
    otherId !== id && !step.results[otherId] && (started || (ask !== undefined && !answer));
  const waits = !call?.started && !call?.ask && Object.entries(step.calls).some(isBusy);
  return { call, result: step.results[id], waits };
}

/** Returns open questions of calls without a block: no question that waits for the user may be hidden. */
function strayAsks({ blocks, calls, results }: StepState) {
  const blockCallIds = new Set(blocks.map(({ tool }) => tool?.callId));
  return Object.entries(calls).filter(
    ([callId, { ask, answer }]) => ask && !answer && !results[callId] && !blockCallIds.has(callId),
  );
}

function StrayAsk(ask: { turnId: string; callId: string; call: ToolCallState }) {
  return <AskView {...ask} open returnFocus={{ current: null }} />;
}

function isError(opaque: unknown): boolean {
  return JSON.stringify(opaque ?? null).includes('_error"');
}

/** Shows the pages that an answer cites. */
function Sources({ block }: { block: BlockState }) {
  const links = (block.citations ?? []).flatMap(({ url, title = '' }) => (url === undefined ? [] : [{ url, title }]));
  return <Links label={t('Sources')} links={links} />;
}

function Retry({ retry }: { retry: RetryState }) {
  const [secondsLeft, setLeft] = useState(Math.ceil(retry.delayMs / 1000));
  useEffect(() => {
    const end = Date.now() + retry.delayMs;
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((end - Date.now()) / 1000))), 500);
    return () => clearInterval(timer);
  }, [retry]);
  const next =
    secondsLeft > 0
      ? t('Retrying in {0} s (attempt {1} of {2}).', secondsLeft, retry.attempt + 1, retry.maxAttempts)
      : t('Retrying (attempt {0} of {1})...', retry.attempt + 1, retry.maxAttempts);
  return (
    <div class="note">
      <Icon name="loading" spin />
      <span>
        {retry.problem.detail} {next}
      </span>
    </div>
  );
}
