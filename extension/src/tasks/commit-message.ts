import * as vscode from 'vscode';
import { cancellable } from './generate.ts';
import { askForProposal, type ProposalsOptions } from './proposals.ts';

const t = vscode.l10n.t;

/** Longest difference that goes along, in UTF-16 code units. */
const diffChars = 100_000;
/** Earlier messages that show the form. */
const earlierMessages = 10;

/** The part of the built-in Git extension's interface (version 1) that is used. */
interface Repository {
  readonly rootUri: vscode.Uri;
  readonly inputBox: { value: string };
  diff(cached?: boolean): Promise<string>;
  log(options: { maxEntries: number }): Promise<readonly { message: string }[]>;
}
interface GitExtension {
  getAPI(version: 1): { readonly repositories: readonly Repository[] };
}

/**
 * Writes a commit message for what is staged, or for all changes where nothing is, into the input of the source
 * control view.
 *
 * @param source the source control that the command was used on, where it was
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
    void vscode.window.showInformationMessage(t('There are no changes to write a message for.'));
    return;
  }
  const earlier = await repository.log({ maxEntries: earlierMessages }).catch(() => []);
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
      cancellable(token, (signal) =>
        askForProposal(
          options,
          {
            task: 'commit',
            text: text.filter((part) => part !== '').join('\n\n'),
            attachments: [
              { kind: 'selection', path: 'changes.diff', language: 'diff', text: diff.slice(0, diffChars) },
            ],
          },
          signal,
        ),
      ),
  );
  if (!end) return;
  if (end.text === null) {
    void vscode.window.showWarningMessage(
      end.problem ?? t('The model proposed no message. The history has its answer.'),
    );
    return;
  }
  const replace = t('Replace');
  const kept = repository.inputBox.value;
  // What the person wrote meanwhile is theirs.
  if (kept !== before && kept.trim() !== '') {
    const answer = await vscode.window.showInformationMessage(t('Replace the message that you have written?'), replace);
    if (answer !== replace) return;
  }
  repository.inputBox.value = end.text.trim();
}

async function repositoryOf(source: unknown): Promise<Repository | undefined> {
  const git = vscode.extensions.getExtension<GitExtension>('vscode.git');
  if (!git) return undefined;
  const { repositories } = (await git.activate()).getAPI(1);
  const root =
    typeof source === 'object' && source !== null && 'rootUri' in source ? String(source.rootUri) : undefined;
  const active = vscode.window.activeTextEditor?.document.uri.path ?? '';
  return (
    repositories.find(({ rootUri }) => rootUri.toString() === root) ??
    repositories.find(({ rootUri }) => active.startsWith(`${rootUri.path}/`)) ??
    repositories[0]
  );
}
