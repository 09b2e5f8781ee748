import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import { type FileStanding, standingOf, type TurnFile } from '@devlm/protocol/turn-files.ts';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { announcement, attempt } from '../state/app.ts';
import { conversation } from '../state/conversation.ts';
import { changedFiles, decide } from '../state/reviews.ts';
import { shownStrictly } from '../state/shown-text.ts';
import { problemOf, transport } from '../transport.ts';
import { Icon, IconButton } from './icon.tsx';
import { Refusal, UndoReview } from './restore.tsx';

/** Number of files that are listed before the user shows all. */
const initialFiles = 6;

/** Returns the total lines added and removed by changes. */
export function totalCounts(changes: readonly FileChange[]): { added: number; removed: number } {
  return changes.reduce((sum, { added, removed }) => ({ added: sum.added + added, removed: sum.removed + removed }), {
    added: 0,
    removed: 0,
  });
}

/** Shows the numbers of added and removed lines. */
export function LineCounts({ added, removed }: { added: number; removed: number }) {
  return (
    <span class="counts" role="img" aria-label={t('{0} lines added, {1} removed', added, removed)}>
      <span class="count-added">+{added}</span> <span class="count-removed">−{removed}</span>
    </span>
  );
}

/** A list of changed files, with actions for each. */
export function ChangeList({ changes }: { changes: readonly FileChange[] }) {
  return (
    <FileList label={t('Changed files')} files={changes}>
      {(change) => <ChangedFile key={change.path} change={change} />}
    </FileList>
  );
}

interface FileListProps<T extends FileChange> {
  label: string;
  files: readonly T[];
  children: (file: T) => ComponentChildren;
}

function FileList<T extends FileChange>({ label, files, children }: FileListProps<T>) {
  const [all, setAll] = useState(false);
  return (
    <>
      <ul class="changes" aria-label={label}>
        {(all ? files : files.slice(0, initialFiles)).map(children)}
      </ul>
      {!all && files.length > initialFiles && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t('Show all {0} files', files.length)}
        </button>
      )}
    </>
  );
}

function openDiff({ path, before, after }: FileChange): void {
  void attempt(() => transport.editor({ action: 'openDiff', path, before, after }));
}

/** Actions for a file whose name is shown before them. */
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

function ChangedFile({ change }: { change: FileChange }) {
  return (
    <li class="change">
      <PathButton change={change} onClick={() => openDiff(change)} />
      <LineCounts added={change.added} removed={change.removed} />
      <OpenFile change={change} />
    </li>
  );
}

function PathButton({ change: { path, before, after }, onClick }: { change: FileChange; onClick: () => void }) {
  const name = shownStrictly(path);
  const kind = before === null ? t('created') : after === null ? t('deleted') : null;
  return (
    <button type="button" class="change-path" title={t('Open Diff of {0}', name)} onClick={onClick}>
      <Icon name={before === null ? 'diff-added' : after === null ? 'diff-removed' : 'diff-modified'} />
      <span class="unseen">{t('Open diff')}</span>
      {/* The end of a path is more informative than its beginning. */}
      <span class="change-name">
        <bdi dir="ltr">{name}</bdi>
      </span>
      {kind && <span class="change-kind">{kind}</span>}
    </button>
  );
}

/** The changed files of a completed turn, with the user's decision about each. */
export function TurnChanges({ turn }: { turn: TurnState }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const files = changedFiles(turn);
  if (files.length === 0) return <UndoReview turn={turn} />;
  const pending = files.filter((file) => standingOf(file) === 'pending');
  const review = async (verdict: 'accept' | 'reject', chosen: readonly TurnFile[]) => {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await decide(turn.id, verdict, chosen);
      const names = chosen.length === 1 ? shownStrictly(chosen[0]?.path ?? '') : t('{0} files', chosen.length);
      announcement.value = verdict === 'accept' ? t('Accepted {0}', names) : t('Rejected {0}', names);
    } catch (error) {
      setProblem(problemOf(error));
      announcement.value = problemOf(error).detail;
    }
    setBusy(false);
  };
  return (
    <section class="turn-changes" aria-label={t('Changes in this turn')} aria-busy={busy}>
      <div class="turn-changes-head">
        <Icon name="files" />
        <span>{files.length === 1 ? t('1 file changed') : t('{0} files changed', files.length)}</span>
        <LineCounts {...totalCounts(files)} />
        <span class="review-buttons">
          <IconButton icon="diff-multiple" label={t('Review All Changes')} onClick={() => openReview(turn.id)} />
          {pending.length > 0 && (
            <>
              <IconButton
                icon="check-all"
                label={t('Accept All Changes')}
                disabled={busy}
                onClick={() => void review('accept', pending)}
              />
              <IconButton
                icon="discard"
                label={t('Reject All Changes')}
                disabled={busy}
                onClick={() => void review('reject', pending)}
              />
            </>
          )}
        </span>
      </div>
      <FileList label={t('Changed files')} files={files}>
        {(file) => (
          <ReviewedFile
            key={file.path}
            turnId={turn.id}
            file={file}
            busy={busy}
            review={(verdict) => void review(verdict, [file])}
          />
        )}
      </FileList>
      {problem && <Refusal problem={problem} />}
      <UndoReview turn={turn} />
    </section>
  );
}

/** Opens the editor's diff view of all files of a turn, or of a single one. */
function openReview(turnId: string, path?: string): void {
  const conversationId = conversation.peek()?.id ?? '';
  void attempt(() => transport.editor({ action: 'reviewChanges', conversationId, turnId, ...(path ? { path } : {}) }));
}

const standings: Readonly<Record<Exclude<FileStanding, 'pending'>, { icon: string; text: () => string }>> = {
  accepted: { icon: 'check', text: () => t('accepted') },
  rejected: { icon: 'close', text: () => t('rejected') },
  restored: { icon: 'history', text: () => t('restored') },
};

interface ReviewedFileProps {
  turnId: string;
  file: TurnFile;
  busy: boolean;
  review(verdict: 'accept' | 'reject'): void;
}

function ReviewedFile({ turnId, file, busy, review }: ReviewedFileProps) {
  const name = shownStrictly(file.path);
  const standing = standingOf(file);
  const open = () => (standing === 'pending' ? openReview(turnId, file.path) : openDiff(file));
  return (
    <li class="change">
      <PathButton change={file} onClick={open} />
      <LineCounts added={file.added} removed={file.removed} />
      <span class="review-buttons">
        {standing === 'pending' ? (
          <>
            <IconButton icon="check" label={t('Accept {0}', name)} disabled={busy} onClick={() => review('accept')} />
            <IconButton icon="discard" label={t('Reject {0}', name)} disabled={busy} onClick={() => review('reject')} />
          </>
        ) : (
          <span class={`standing standing-${standing}`}>
            <Icon name={standings[standing].icon} />
            {standings[standing].text()}
          </span>
        )}
        <OpenFile change={file} />
      </span>
    </li>
  );
}
