import * as vscode from 'vscode';
import { runCancellable } from '../cancellation.ts';
import { type GitRepository, gitApi } from '../editor/git-extension.ts';
import { askForProposal, type ProposalsOptions } from './proposals.ts';

const t = vscode.l10n.t;

/** Maximum length of the attached diff, in UTF-16 code units. */
const maxDiffChars = 100_000;
/** Number of earlier messages that are sent as examples. */
const exampleCount = 10;

/**
 * Writes a commit message for the staged changes, or for all changes if nothing is staged, into the input box of the
 * source control view.
 *
 * @param source the source control that the command was invoked on, if any
 */
export async function commitMessage(options: ProposalsOptions, words: string, source: unknown): Promise<void> {
  const repository = await repositoryOf(source);
  if (!repository) {
    void vscode.window.showInformationMessage(t('There is no Git repository in this window.'));
    return;
  }
  const staged = await repository.diff(true);
  const diff = staged.trim() === '' ? await repository.diff() : staged;
  if (diff.trim() === '') {
    void vscode.window.showInformationMessage(t('There are no changes to write a commit message for.'));
    return;
  }
  const earlier = await repository.log({ maxEntries: exampleCount }).catch(() => []);
  const subjects = earlier.map(({ message }) => `- ${message.split('\n', 1)[0]?.slice(0, 200) ?? ''}`);
  const text = [
    staged.trim() === ''
      ? t('Write a commit message for all changes.')
      : t('Write a commit message for the staged changes.'),
    ...(subjects.length > 0 ? [`${t('Earlier messages:')}\n${subjects.join('\n')}`] : []),
    words,
  ];
  const before = repository.inputBox.value;
  const end = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.SourceControl, title: t('Writing a commit message'), cancellable: true },
    (_progress, token) =>
      runCancellable(token, (signal) =>
        askForProposal(
          options,
          {
            task: 'commit',
            text: text.filter((part) => part !== '').join('\n\n'),
            attachments: [
              { kind: 'selection', path: 'changes.diff', language: 'diff', text: diff.slice(0, maxDiffChars) },
            ],
          },
          signal,
        ),
      ),
  );
  if (!end) return;
  if (end.text === null) {
    void vscode.window.showWarningMessage(
      end.problem ?? t('The model did not propose a commit message. Open the chat history to read its answer.'),
    );
    return;
  }
  const replace = t('Replace');
  const current = repository.inputBox.value;
  // Do not replace what the user wrote in the meantime without asking.
  if (current !== before && current.trim() !== '') {
    const answer = await vscode.window.showInformationMessage(t('Replace the commit message that you wrote?'), replace);
    if (answer !== replace) return;
  }
  repository.inputBox.value = end.text.trim();
}

async function repositoryOf(source: unknown): Promise<GitRepository | undefined> {
  const repositories = (await gitApi())?.repositories ?? [];
  const root =
    typeof source === 'object' && source !== null && 'rootUri' in source ? String(source.rootUri) : undefined;
  const active = vscode.window.activeTextEditor?.document.uri.path ?? '';
  return (
    repositories.find(({ rootUri }) => rootUri.toString() === root) ??
    repositories.find(({ rootUri }) => active.startsWith(`${rootUri.path}/`)) ??
    repositories[0]
  );
}
