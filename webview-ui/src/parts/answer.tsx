import { answerText, turnUsage } from '@devlm/protocol/reducer.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import { Fragment } from 'preact';
import { dollars, tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { branchFrom, resend } from '../state/actions.ts';
import { attempt, screen, settings } from '../state/app.ts';
import { openAsks } from '../state/asks.ts';
import { inputTokensOf } from '../state/input-tokens.ts';
import { transport } from '../transport.ts';
import { BudgetNotes } from './budget-notes.tsx';
import { TurnChanges } from './changes.tsx';
import { CommandNotes } from './command-notes.tsx';
import { Icon, IconButton } from './icon.tsx';
import { ProblemCard } from './problem-card.tsx';
import { Step } from './step.tsx';
import { TestsBadge } from './tests-badge.tsx';
import { useCopied } from './use-copied.ts';

/** The answer to a message, with all its steps. */
export function Answer({ turn }: { turn: TurnState }) {
  if (turn.status === 'queued' || (turn.status === 'stopped' && turn.steps.length === 0)) return null;
  const running = turn.status === 'running';
  const last = turn.steps.at(-1);
  const askAgain = () => resend(turn, turn.text);
  return (
    <div class="answer" aria-busy={running}>
      {turn.steps.map((step, index) => (
        <Fragment key={step.id}>
          <CommandNotes notes={turn.notes} step={index} />
          <BudgetNotes warnings={turn.warnings} step={index} />
          <Step step={step} live={running && step === last} turnId={turn.id} nth={index + 1} />
        </Fragment>
      ))}
      <CommandNotes notes={turn.notes} step={turn.steps.length} />
      <BudgetNotes warnings={turn.warnings} step={turn.steps.length} />
      {running && isQuiet(last) && <WorkingNote turnId={turn.id} />}
      {turn.problem && <ProblemCard problem={turn.problem} retry={askAgain} />}
      {!running && !turn.problem && <StopNote reason={turn.status === 'stopped' ? 'stopped' : last?.stopReason} />}
      {!running && <TestsBadge turn={turn} />}
      {!running && <TurnChanges turn={turn} />}
      {!running && <AnswerFoot turn={turn} again={askAgain} />}
    </div>
  );
}

/** Returns whether nothing on the page moves although the answer is not finished. */
function isQuiet(step: StepState | undefined): boolean {
  if (!step) return true;
  // A step with a purpose shows its own progress.
  if (step.purpose && step.status === 'running') return false;
  return step.retry === undefined && (step.blocks.length === 0 || step.blocks.every((block) => block.done));
}

function WorkingNote({ turnId }: { turnId: string }) {
  const asks = openAsks.value.some((ask) => ask.turnId === turnId);
  return (
    <div class="working">
      <Icon name={asks ? 'bell-dot' : 'loading'} spin={!asks} />
      <span>{asks ? t('Waiting for you') : t('Working...')}</span>
    </div>
  );
}

/** Explains why an answer ended early. */
function StopNote({ reason }: { reason: string | undefined }) {
  const notes: Readonly<Record<string, string>> = {
    max_tokens: t('The answer reached its maximum length. Ask DevLM to continue.'),
    model_context_window_exceeded: t(
      'The conversation no longer fits into the model’s context window. Start a new chat or branch from an earlier message.',
    ),
    refusal: t('The model declined to answer.'),
    pause_turn: t('The model paused. Ask it to continue.'),
    stopped: t('Stopped'),
  };
  const note = reason === undefined ? undefined : notes[reason];
  if (!note) return null;
  return (
    <div class="note">
      <Icon name={reason === 'stopped' ? 'debug-stop' : 'info'} />
      <span>{note}</span>
    </div>
  );
}

function AnswerFoot({ turn, again }: { turn: TurnState; again: () => void }) {
  const [copied, reportCopied] = useCopied();
  const text = answerText(turn);
  return (
    <div class="answer-foot">
      <div class="answer-tools" role="toolbar" aria-label={t('Answer')}>
        {text !== '' && (
          <IconButton
            icon={copied ? 'check' : 'copy'}
            label={t('Copy Answer')}
            onClick={() =>
              void attempt(async () => {
                await transport.editor({ action: 'copy', text });
                reportCopied();
              })
            }
          />
        )}
        <IconButton icon="refresh" label={t('Ask Again')} onClick={again} />
        <IconButton icon="git-branch" label={t('Branch in New Chat')} onClick={() => branchFrom(turn.id)} />
      </div>
      <UsageLine turn={turn} />
    </div>
  );
}

function UsageLine({ turn }: { turn: TurnState }) {
  if (!turn.steps.some((step) => step.usage)) return null;
  const usage = turnUsage(turn);
  const input = inputTokensOf(usage);
  const parts = [
    turn.steps.findLast(({ model }) => model !== '')?.model ?? '',
    t('{0} in', tokens(input)),
    t('{0} out', tokens(usage.outputTokens)),
  ];
  const cost = settings.value.showCost && usage.costUsd !== null ? dollars(usage.costUsd) : null;
  const details = [
    t('Input: {0} tokens', usage.inputTokens.toLocaleString()),
    t('Read from cache: {0} tokens', usage.cacheReadTokens.toLocaleString()),
    t('Written to cache: {0} tokens', usage.cacheWriteTokens.toLocaleString()),
    t('Output: {0} tokens', usage.outputTokens.toLocaleString()),
  ];
  return (
    <div class="usage" title={details.join('\n')}>
      {parts.filter((part) => part !== '').join(' · ')}
      {cost !== null && (
        <>
          {' · '}
          <button
            type="button"
            class="link-button"
            aria-label={t('{0}, show usage', cost)}
            onClick={() => {
              screen.value = 'usage';
            }}
          >
            {cost}
          </button>
        </>
      )}
    </div>
  );
}
