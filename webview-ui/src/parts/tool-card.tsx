import type { BlockState, ToolCallState, ToolResult } from '@devlm/protocol/state.ts';
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { commandNote } from '../state/command-words.ts';
import { isUnfolded, setUnfolded } from '../state/folds.ts';
import { oneLine, shownStrictly } from '../state/shown-text.ts';
import { readableInput, readableResult } from '../state/tool-text.ts';
import { type ToolWords, toolWords } from '../state/tool-words.ts';
import { changesOf } from '../state/turn-work.ts';
import { AskView } from './ask.tsx';
import { Chips } from './attachments.tsx';
import { ChangeButtons, ChangeList, LineCounts, totalCounts } from './changes.tsx';
import { Icon } from './icon.tsx';
import { Links } from './links.tsx';
import { memo } from './memo.ts';
import { Plain } from './plain.tsx';
import { ToolRun } from './tool-run.tsx';

/** Maximum output of a running tool that is shown, in UTF-16 code units. */
const tailChars = 4_000;
/** Time before the duration of a running tool is shown, in milliseconds. */
const showElapsedAfterMs = 2_000;

interface ToolCardProps {
  turnId: string;
  block: BlockState;
  call?: ToolCallState | undefined;
  result: ToolResult | undefined;
  live: boolean;
  /** Whether another call of the step comes first. */
  waits?: boolean;
}

type CardState = 'input' | 'waiting' | 'asking' | 'running' | 'done' | 'failed' | 'none';

const icons: Readonly<Record<CardState, string>> = {
  input: 'loading',
  waiting: 'circle-outline',
  asking: 'question',
  running: 'loading',
  done: 'check',
  failed: 'error',
  none: 'circle-slash',
};

/** A tool call: what it does in a line, its question, and input and result on demand. */
export const ToolCard = memo(({ turnId, block, call, result, live, waits = false }: ToolCardProps) => {
  const callId = block.tool?.callId ?? '';
  const key = `${turnId} ${callId} ${block.index}`;
  const [open, setOpen] = useState(isUnfolded(key));
  const body = useId();
  const label = useRef<HTMLButtonElement>(null);
  const state = stateOf(block, call, result, live, waits);
  const words = toolWords(block);
  const changes = changesOf(call, result);
  const executionId = result?.details?.executionId;
  const pages = (result?.details?.pages ?? []).map(({ url, title, age }) => ({
    url,
    title: oneLine(title, 300),
    note: age && oneLine(age, 100),
  }));
  // The head already says what the line of a single file would say.
  const only = changes.length === 1 && state !== 'asking' ? changes[0] : undefined;
  const toggle = () => {
    setUnfolded(key, !open);
    setOpen(!open);
  };
  return (
    <div class={`fold tool tool-${state}`}>
      <div class="tool-head">
        <button ref={label} type="button" class="fold-label" aria-expanded={open} aria-controls={body} onClick={toggle}>
          <Icon name={open ? 'chevron-down' : 'chevron-right'} />
          <Icon
            name={executionId && result?.ok ? 'terminal' : icons[state]}
            spin={state === 'input' || state === 'running'}
          />
          <CallSummary words={words} />
          {result?.details?.command && <span class="tool-end">{commandNote(result.details.command)}</span>}
          {changes.length > 0 && <LineCounts {...totalCounts(changes)} />}
          {state === 'running' && <ToolElapsed startedAt={call?.startedAt} />}
          <span class="unseen">{stateName(state)}</span>
        </button>
        {only && <ChangeButtons change={only} />}
      </div>
      {call?.ask && (
        <AskView turnId={turnId} callId={callId} call={call} open={state === 'asking'} returnFocus={label} />
      )}
      {state === 'running' && call && call.output !== '' && (
        <Plain label={t('Output')} class="tool-tail" text={call.output.slice(-tailChars)} follows />
      )}
      {state === 'failed' && !open && <div class="tool-failure">{oneLine(result?.text ?? '', 300)}</div>}
      {executionId && <ToolRun turnId={turnId} callId={callId} executionId={executionId} whole={open} />}
      {pages.length > 0 && <Links label={t('Pages')} links={pages} />}
      {changes.length > 1 && state !== 'asking' && <ChangeList changes={changes} />}
      <div class="fold-body" id={body} hidden={!open}>
        {open && <CallDetails block={block} call={call} result={result} />}
      </div>
    </div>
  );
});

function stateOf(
  block: BlockState,
  call: ToolCallState | undefined,
  result: ToolResult | undefined,
  live: boolean,
  waits: boolean,
): CardState {
  if (result) return result.ok ? 'done' : 'failed';
  if (!live) return 'none';
  if (call?.ask && !call.answer) return 'asking';
  if (!block.done) return 'input';
  return waits ? 'waiting' : 'running';
}

function stateName(state: CardState): string {
  switch (state) {
    case 'input':
      return t('being written');
    case 'waiting':
      return t('queued');
    case 'asking':
      return t('waiting for you');
    case 'running':
      return t('running');
    case 'done':
      return t('done');
    case 'failed':
      return t('failed');
    case 'none':
      return t('no result');
  }
}

function CallSummary({ words: { verb, about, code, note } }: { words: ToolWords }) {
  return (
    <>
      <span class="tool-name">{verb}</span>{' '}
      {about !== '' && <span class={`tool-about${code ? ' tool-code' : ''}`}>{about}</span>}{' '}
      {note && <span class="tool-note">{note}</span>}
    </>
  );
}

/** Shows the seconds since the tool started, if it takes long. */
function ToolElapsed({ startedAt }: { startedAt: string | undefined }) {
  const firstSeen = useRef(Date.now());
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const since = Math.min(firstSeen.current, Date.parse(startedAt ?? '') || firstSeen.current);
  const ms = now - since;
  return ms < showElapsedAfterMs ? null : <span class="tool-note">{elapsedWords(Math.floor(ms / 1_000))}</span>;
}

function elapsedWords(seconds: number): string {
  if (seconds < 90) return t('{0} s', seconds);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? t('{0} min {1} s', minutes, seconds % 60)
    : t('{0} h {1} min', Math.floor(minutes / 60), minutes % 60);
}

function CallDetails({ block, call, result }: Pick<ToolCardProps, 'block' | 'call' | 'result'>) {
  const input = useMemo(() => readableInput(block), [block]);
  const text = useMemo(() => (result ? readableResult(result.text) : ''), [result]);
  const output = call?.output ?? '';
  const name = toolWords(block).about;
  const images = (result?.details?.images ?? []).map((image) => ({ kind: 'image', name, bytes: 0, ...image }) as const);
  return (
    <>
      {call?.ask?.kind === 'approval' && call.answer && (
        <CallPart label={t('Approval request')} text={shownStrictly(call.ask.detail)} />
      )}
      {input !== '' && <CallPart label={t('Input')} text={input} />}
      {result && output !== '' && <CallPart label={t('Output')} text={output} />}
      {images.length > 0 && <Chips attachments={images} />}
      {result && <CallPart label={result.ok ? t('Result') : t('Error')} text={text === '' ? t('(empty)') : text} />}
    </>
  );
}

function CallPart({ label, text }: { label: string; text: string }) {
  return (
    <div class="tool-part">
      <div class="tool-part-label">{label}</div>
      <Plain label={label} text={text} />
    </div>
  );
}
