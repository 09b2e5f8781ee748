import type { HostToPage, TaskAnswer } from '@devlm/protocol/page.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import * as vscode from 'vscode';
import type { Log, Translate } from '../ports.ts';
import { asProblem } from '../problems.ts';
import { commitMessage } from './commit-message.ts';
import { gather, type TaskTarget } from './gather.ts';
import { generate } from './generate.ts';
import { InlineProposals } from './inline-proposals.ts';
import type { ProposalsOptions } from './proposals.ts';

/** Dependencies of `TaskCommands`. */
export interface TaskCommandsOptions extends ProposalsOptions {
  /** Shows the chat and gives the page a message to send. */
  readonly askPage: (message: Extract<HostToPage, { kind: 'do' }>) => Promise<void>;
  readonly log: Log;
  readonly t: Translate;
}

/** The commands on code, for menus, code actions, the command palette and the chat. */
export class TaskCommands implements vscode.Disposable {
  readonly inline = new InlineProposals();
  readonly #options: TaskCommandsOptions;

  constructor(options: TaskCommandsOptions) {
    this.#options = options;
  }

  dispose(): void {
    this.inline.dispose();
  }

  /**
   * Runs a command of the editor. `args` are the arguments of VS Code: the clicked item, or the location of a code
   * action.
   */
  async run(task: Task, args: readonly unknown[]): Promise<void> {
    const { t } = this.#options;
    try {
      const { message, problems } = await this.#begin(task, '', args);
      if (message) await this.#options.askPage({ kind: 'do', what: 'task', answer: { message, problems } });
      else if (problems.length > 0) void vscode.window.showInformationMessage(problems.join(' '));
    } catch (error) {
      this.#options.log.error(error instanceof Error ? (error.stack ?? '') : String(error));
      void vscode.window.showErrorMessage(asProblem(error, t).detail);
    }
  }

  /** Accepts, rejects or regenerates the generated code of a document. */
  async answer(answer: 'accept' | 'reject' | 'retry', uri: unknown): Promise<void> {
    const document = vscode.workspace.textDocuments.find((document) => document.uri.toString() === String(uri));
    await this.inline[answer](document);
  }

  /** Runs a slash command of the chat. Returns the message that the page sends. */
  async forPage(task: Task, words: string): Promise<TaskAnswer> {
    if (task !== 'generate' && task !== 'commit') return this.#begin(task, words, []);
    // The results of these tasks appear in the editor, so the page does not wait for them.
    void this.#begin(task, words, []).then(
      async ({ problems }) => {
        if (problems.length > 0) await vscode.window.showInformationMessage(problems.join(' '));
      },
      async (error: unknown) => {
        await vscode.window.showErrorMessage(asProblem(error, this.#options.t).detail);
      },
    );
    return { message: null, problems: [] };
  }

  async #begin(task: Task, words: string, args: readonly unknown[]): Promise<TaskAnswer> {
    const done: TaskAnswer = { message: null, problems: [] };
    if (task === 'commit') {
      await commitMessage(this.#options, words, args[0]);
      return done;
    }
    const target = await targetOf(args);
    if (!target) return { message: null, problems: [this.#options.t('Open a file first.')] };
    if (task !== 'generate') return gather(task, target, words);
    if (target.kind === 'files') return { message: null, problems: [this.#options.t('Open a file first.')] };
    await generate(this.#options, this.inline, { ...target, words });
    return done;
  }
}

/** Returns the target of a command: files of the explorer, the location of a code action, or the active editor. */
async function targetOf([first, second]: readonly unknown[]): Promise<TaskTarget | null> {
  if (Array.isArray(second) && second.length > 0) {
    const uris = second.filter((uri) => uri instanceof vscode.Uri);
    if (uris.length > 0) return { kind: 'files', uris };
  }
  if (typeof first === 'object' && first !== null && 'range' in first && 'uri' in first) {
    const { uri, range } = first;
    if (uri instanceof vscode.Uri && range instanceof vscode.Range)
      return { kind: 'part', document: await vscode.workspace.openTextDocument(uri), range };
  }
  const editor = vscode.window.activeTextEditor;
  if (!editor) return null;
  return { kind: 'part', document: editor.document, range: editor.selection };
}
