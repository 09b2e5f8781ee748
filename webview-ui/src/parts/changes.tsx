import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import { useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { announcement, attempt } from '../state/app.ts';
import { conversation } from '../state/conversation.ts';
import { shown, shownStrictly } from '../state/shown-text.ts';
import { turnChanges } from '../state/turn-work.ts';
import { problemOf, transport } from '../transport.ts';
import { Icon, IconButton } from './icon.tsx';

/** Files that are listed before the person asks for all. */
const firstFiles = 6;

/** Lines of all changes together. */
export function counted(changes: readonly FileChange[]): { added: number; removed: number } {
  return changes.reduce((sum, { added, removed }) => ({ added: sum.added + added, removed: sum.removed + removed }), {
    added: 0,
    removed: 0,
  });
}

/** Lines that came and went, as every tool of this kind writes them. */
export function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <span class="counts" role="img" aria-label={t('{0} lines added, {1} removed', added, removed)}>
      <span class="count-added">+{added}</span> <span class="count-removed">−{removed}</span>
    </span>
  );
}

/** Files that were changed, with what can be done about each. */
export function Changes({ changes }: { changes: readonly FileChange[] }) {
  const [all, setAll] = useState(false);
  const listed = all ? changes : changes.slice(0, firstFiles);
  return (
    <>
      <ul class="changes" aria-label={t('Changed files')}>
        {listed.map((change) => (
          <Change key={change.path} change={change} />
        ))}
      </ul>
      {listed.length < changes.length && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t('Show all {0} files', changes.length)}
        </button>
      )}
    </>
  );
}

function openDiff({ path, before, after }: FileChange): void {
  void attempt(() => transport.editor({ action: 'openDiff', path, before, after }));
}

/** What can be done about a file whose name stands before. */
export function ChangeButtons({ change }: { change: FileChange }) {
  const name = shownStrictly(change.path);
  return (
    <span class="change-buttons">
      <IconButton icon="diff" label={t('Open Diff of {0}', name)} onClick={() => openDiff(change)} />
      <OpenFile change={change} />
    </span>
  );
}

function OpenFile({ change: { path, after } }: { change: FileChange }) {
  if (after === null) return null;
  return (
    <IconButton
      icon="go-to-file"
      label={t('Open {0}', shownStrictly(path))}
      onClick={() => void attempt(() => transport.editor({ action: 'openFile', path }))}
    />
  );
}

function Change({ change }: { change: FileChange }) {
  const { path, before, after, added, removed } = change;
  const name = shownStrictly(path);
  const kind = before === null ? t('created') : after === null ? t('deleted') : null;
  return (
    <li class="change">
      <button type="button" class="change-path" title={t('Open Diff of {0}', name)} onClick={() => openDiff(change)}>
        <Icon name={before === null ? 'diff-added' : after === null ? 'diff-removed' : 'diff-modified'} />
        <span class="unseen">{t('Open diff')}</span>
        {/* The end of a path says more than its beginning. */}
        <span class="change-name">
          <bdi dir="ltr">{name}</bdi>
        </span>
        {kind && <span class="change-kind">{kind}</span>}
      </button>
      <Counts added={added} removed={removed} />
      <OpenFile change={change} />
    </li>
  );
}

/** All files of a turn that has ended, and the way back. */
export function TurnChanges({ turn }: { turn: TurnState }) {
  const changes = turnChanges(turn);
  if (changes.length === 0) return null;
  return (
    <section class="turn-changes" aria-label={t('Changes of this turn')}>
      <div class="turn-changes-head">
        <Icon name="files" />
        <span>{changes.length === 1 ? t('1 file changed') : t('{0} files changed', changes.length)}</span>
        <Counts {...counted(changes)} />
      </div>
      <Changes changes={changes} />
      <Restore turn={turn} count={changes.length} />
    </section>
  );
}

/** Puts the files back to what they were before the turn, when the person has said so twice. */
function Restore({ turn, count }: { turn: TurnState; count: number }) {
  const [stage, setStage] = useState<'idle' | 'asking' | 'busy'>('idle');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [restored, setRestored] = useState<readonly string[] | null>(null);
  const begin = useRef<HTMLButtonElement>(null);
  const idle = () => {
    setStage('idle');
    setTimeout(() => begin.current?.focus());
  };
  const restore = async () => {
    if (stage === 'busy') return;
    setStage('busy');
    setProblem(null);
    setRestored(null);
    try {
      const params = { conversationId: conversation.peek()?.id ?? '', turnId: turn.id };
      const { paths } = await transport.call('files.restore', { params });
      setRestored(paths);
      announcement.value = t('{0} files were restored.', paths.length);
    } catch (error) {
      setProblem(problemOf(error));
      announcement.value = t('The files were not restored: {0}', problemOf(error).detail);
    }
    idle();
  };
  return (
    <div class="restore">
      {stage === 'idle' ? (
        <button ref={begin} type="button" class="link-button" onClick={() => setStage('asking')}>
          <Icon name="discard" /> {t('Restore Files to Before This Turn...')}
        </button>
      ) : (
        <Confirm count={count} busy={stage === 'busy'} onYes={() => void restore()} onNo={idle} />
      )}
      {problem && (
        <div class="ask-problem">
          <Icon name="error" />
          <span>
            <strong>{problem.code === 'files_changed' ? t('Nothing was restored.') : problem.title}</strong>{' '}
            {shown(problem.detail)}
          </span>
        </div>
      )}
      {restored && (
        <div class="ask-outcome">
          <Icon name="check" />
          <span>{t('Restored: {0}', restored.map(shownStrictly).join(', '))}</span>
        </div>
      )}
    </div>
  );
}

interface ConfirmProps {
  count: number;
  busy: boolean;
  onYes(): void;
  onNo(): void;
}

function Confirm({ count, busy, onYes, onNo }: ConfirmProps) {
  return (
    <fieldset
      class="restore-confirm"
      aria-label={t('Restore files')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        event.stopPropagation();
        if (!busy) onNo();
      }}
    >
      <span>
        {count === 1
          ? t('1 file goes back to what it was before this turn. What DevLM wrote in it is lost.')
          : t('{0} files go back to what they were before this turn. What DevLM wrote in them is lost.', count)}
      </span>
      <span class="ask-actions">
        <button type="button" class="button" aria-disabled={busy} onClick={onYes}>
          {t('Restore')}
        </button>
        <button
          type="button"
          class="button button-secondary"
          aria-disabled={busy}
          ref={(button) => {
            if (button && !busy) button.focus({ preventScroll: true });
          }}
          onClick={onNo}
        >
          {t('Cancel')}
        </button>
        {busy && <Icon name="loading" spin />}
      </span>
    </fieldset>
  );
}
