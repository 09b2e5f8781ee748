import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { announcement, attempt, showToast } from '../state/app.ts';
import { conversation } from '../state/conversation.ts';
import { lastReview, type RestoreWhat, restorePreview, restoreTo, undoReview } from '../state/reviews.ts';
import { shown, shownStrictly } from '../state/shown-text.ts';
import { problemOf } from '../transport.ts';
import { Icon } from './icon.tsx';
import { MenuButton } from './menu.tsx';
import { Plain } from './plain.tsx';

/** Number of files that a confirmation lists; the others are counted. */
const maxListedFiles = 12;

/** The menu of what to restore. The choice still has to be confirmed. */
export function RestoreMenu({ onPick }: { onPick: (what: RestoreWhat) => void }) {
  return (
    <MenuButton
      label={t('Restore to Before This Message')}
      side="below"
      items={[
        { label: t('Restore Files...'), icon: 'files', run: () => onPick('files') },
        { label: t('Restore Conversation...'), icon: 'comment-discussion', run: () => onPick('conversation') },
        { label: t('Restore Files and Conversation...'), icon: 'history', run: () => onPick('both') },
      ]}
    >
      <Icon name="discard" />
    </MenuButton>
  );
}

interface RestoreProps {
  turn: TurnState;
  what: RestoreWhat;
  onClose(): void;
}

/** Shows what a restore changes, and performs it when the user confirms. */
export function RestoreConfirm({ turn, what, onClose }: RestoreProps) {
  const [paths, setPaths] = useState<readonly string[] | null>(what === 'conversation' ? [] : null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    cancel.current?.focus({ preventScroll: true });
    if (what !== 'conversation') restorePreview(turn.id).then(setPaths, (error) => setProblem(problemOf(error)));
  }, []);
  const isEmpty = what === 'files' && paths?.length === 0;
  const blocked = busy || paths === null || isEmpty;
  const restore = async () => {
    if (blocked) return;
    setBusy(true);
    setProblem(null);
    try {
      const restored = await restoreTo(turn.id, what);
      const message = restoredText(what, restored.length);
      announcement.value = message;
      showToast(message);
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
      announcement.value = t('Nothing was restored: {0}', problemOf(error).detail);
      setBusy(false);
    }
  };
  return (
    <fieldset
      class="restore restore-confirm"
      aria-label={t('Restore to before this message')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        event.stopPropagation();
        if (!busy) onClose();
      }}
    >
      {what !== 'conversation' && <FilesToRestore paths={paths} problem={problem} />}
      {what !== 'files' && <span>{t('This message and everything after it will be hidden. You can undo this.')}</span>}
      {problem && <Refusal problem={problem} />}
      <span class="ask-actions">
        <button type="button" class="button" aria-disabled={blocked} onClick={() => void restore()}>
          {t('Restore')}
        </button>
        <button
          ref={cancel}
          type="button"
          class="button button-secondary"
          aria-disabled={busy}
          onClick={() => !busy && onClose()}
        >
          {t('Cancel')}
        </button>
        {(busy || (paths === null && !problem)) && <Icon name="loading" spin />}
      </span>
    </fieldset>
  );
}

function restoredText(what: RestoreWhat, files: number): string {
  if (what === 'conversation') return t('The conversation was restored.');
  return files === 1 ? t('1 file was restored.') : t('{0} files were restored.', files);
}

function FilesToRestore({ paths, problem }: { paths: readonly string[] | null; problem: Problem | null }) {
  if (paths === null) return problem ? null : <span>{t('Finding the changed files...')}</span>;
  if (paths.length === 0) return <span>{t('DevLM has not changed any files since this message.')}</span>;
  return (
    <>
      <span>
        {paths.length === 1
          ? t('1 file will be restored to its state before this message:')
          : t('{0} files will be restored to their state before this message:', paths.length)}
      </span>
      <ul class="restore-files">
        {paths.slice(0, maxListedFiles).map((path) => (
          <li key={path}>
            <bdi dir="ltr">{shownStrictly(path)}</bdi>
          </li>
        ))}
        {paths.length > maxListedFiles && <li>{t('and {0} more', paths.length - maxListedFiles)}</li>}
      </ul>
    </>
  );
}

/** Shows why nothing was changed, and the conflicting changes. */
export function Refusal({ problem }: { problem: Problem }) {
  return (
    <div class="ask-problem" role="alert">
      <Icon name="error" />
      <div>
        {shown(problem.detail)}
        {problem.diff && <Plain label={t('Your changes')} class="refusal-diff" text={problem.diff} />}
      </div>
    </div>
  );
}

/** Shows the last decision about a turn, with a way to undo it. */
export function UndoReview({ turn }: { turn: TurnState }) {
  const review = lastReview(turn);
  if (!review) return null;
  const restored = review.verdict === 'restore';
  return (
    <div class="review-note">
      <Icon name="history" />
      <span>
        {restored ? t('Files were restored to their state before this message.') : t('Changes were rejected.')}
      </span>
      <button
        type="button"
        class="link-button"
        onClick={() =>
          void attempt(async () => {
            await undoReview(turn.id, review.id);
            announcement.value = t('The decision was undone.');
          })
        }
      >
        {restored ? t('Undo Restore') : t('Undo Reject')}
      </button>
    </div>
  );
}

/** Tells that a restore has hidden later messages, and can undo it until a new message is sent. */
export function HiddenMessagesNote() {
  const aside = conversation.value?.aside;
  if (!aside) return null;
  return (
    <div class="review-note">
      <Icon name="history" />
      <span>{t('Later messages are hidden.')}</span>
      <button
        type="button"
        class="link-button"
        onClick={() => void attempt(() => undoReview(aside.turnId, aside.reviewId))}
      >
        {t('Undo Restore')}
      </button>
    </div>
  );
}
