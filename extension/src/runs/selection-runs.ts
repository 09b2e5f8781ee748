import { randomUUID } from 'node:crypto';
import { type ExecutionEvent, type ExecutionRequest, type Language, languageOf } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import type { Log, Translate } from '../ports.ts';
import { asProblem } from '../problems.ts';
import { commonIndent } from '../tasks/code-places.ts';
import type { Consent } from './consent.ts';
import { receiptLine } from './receipt-line.ts';
import { SandboxTerminal } from './sandbox-terminal.ts';

/** Maximum output of a run that is shown, in UTF-16 code units. */
const maxShownChars = 1_000_000;

/** Dependencies of `SelectionRuns`. */
export interface SelectionRunsOptions {
  readonly connection: ServerConnection;
  readonly consent: Consent;
  readonly log: Log;
  readonly t: Translate;
}

/** The command `DevLM: Run Selection in Sandbox`, which shows source, output and result in a terminal. */
export class SelectionRuns {
  readonly #options: SelectionRunsOptions;
  readonly #terminals = new Set<SandboxTerminal>();

  constructor(options: SelectionRunsOptions) {
    this.#options = options;
  }

  dispose(): void {
    for (const terminal of this.#terminals) terminal.dispose();
  }

  /** Runs the selection of the active editor, or the whole document without a selection. */
  async run(): Promise<void> {
    const { t } = this.#options;
    const editor = vscode.window.activeTextEditor;
    if (!editor) {
      void vscode.window.showInformationMessage(t('Open a file to run it in the sandbox.'));
      return;
    }
    const { document } = editor;
    const language = languageOf(document.languageId === 'shellscript' ? 'bash' : document.languageId);
    if (!language) {
      void vscode.window.showWarningMessage(t('The sandbox cannot run {0} files.', document.languageId));
      return;
    }
    const selections = editor.selections.filter((selection) => !selection.isEmpty);
    const source =
      selections.length === 0
        ? document.getText()
        : dedented(selections.map((selection) => document.getText(wholeLines(selection))).join('\n'));
    if (source.trim() === '' || source.length > limits.executionInputBytes) {
      const problem =
        source.trim() === '' ? t('There is nothing to run.') : t('This program is too large for the sandbox.');
      void vscode.window.showInformationMessage(problem);
      return;
    }
    const name = vscode.workspace.asRelativePath(document.uri);
    const title = t('Running {0} in the sandbox', name);
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      (progress, token) => this.#run(language, source, name, progress, token),
    );
  }

  async #run(
    language: Language,
    source: string,
    name: string,
    progress: vscode.Progress<{ message?: string }>,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const { connection, consent, log, t } = this.#options;
    const id = randomUUID();
    const terminal = this.#open();
    terminal.begin(`${name} (${language})`);
    const abandoned = new AbortController();
    const stop = () => {
      connection.call('executions.cancel', { params: { executionId: id } }).catch((error: unknown) => {
        // The run has not reached the server yet, or the server is gone: there is nothing to wait for.
        log.debug(`could not cancel ${id}: ${String(error)}`);
        abandoned.abort();
      });
    };
    terminal.onInterrupt = stop;
    const cancel = token.onCancellationRequested(stop);
    let shownLength = 0;
    const onEvent = (event: ExecutionEvent) => {
      if (event.type === 'output') {
        const text = event.text.slice(0, Math.max(0, maxShownChars - shownLength));
        shownLength += text.length;
        terminal.print(event.stream, text);
      } else if (event.type === 'preparing') progress.report({ message: event.message });
      else if (event.type === 'queued') progress.report({ message: t('Waiting for other programs to end') });
      else if (event.type === 'started') progress.report({ message: t('Running') });
      else terminal.line(receiptLine(event.record, t));
    };
    const request: ExecutionRequest = {
      id,
      language,
      source,
      files: [],
      stdin: '',
      args: [],
      env: {},
      limits: {},
      network: 'none',
      reuse: false,
      acceptOpenNetwork: false,
    };
    try {
      await consent.around(request, (program) =>
        connection.execute(
          id,
          program,
          (events, restart) => {
            // The run is followed again from its start; the earlier output stays above.
            if (restart && shownLength > 0) {
              terminal.line(t('The connection was interrupted. The output starts again from the beginning:'));
              shownLength = 0;
            }
            for (const event of events) onEvent(event);
            return undefined;
          },
          abandoned.signal,
        ),
      );
    } catch (error) {
      if (abandoned.signal.aborted) {
        terminal.line(t('Stopped'));
        return;
      }
      if (!(error instanceof ProblemError)) log.error(error instanceof Error ? (error.stack ?? '') : String(error));
      const { detail } = asProblem(error, t);
      terminal.line(detail);
      void vscode.window.showErrorMessage(detail);
    } finally {
      cancel.dispose();
      terminal.onInterrupt = null;
    }
  }

  /** Returns an idle terminal, so that two runs do not mix, or creates one. */
  #open(): SandboxTerminal {
    for (const terminal of this.#terminals) {
      if (!terminal.isOpen) this.#terminals.delete(terminal);
      else if (terminal.onInterrupt === null) return terminal;
    }
    const terminal = new SandboxTerminal();
    this.#terminals.add(terminal);
    return terminal;
  }
}

/** Extends a multi-line selection to whole lines: a partial first line would not run. */
function wholeLines(selection: vscode.Selection): vscode.Range {
  if (selection.isSingleLine) return selection;
  return new vscode.Range(selection.start.with({ character: 0 }), selection.end);
}

/** Removes the common indentation of all lines, so that part of a function can run on its own. */
function dedented(text: string): string {
  const lines = text.split('\n');
  const common = commonIndent(lines);
  return common === ''
    ? text
    : lines.map((line) => (line.startsWith(common) ? line.slice(common.length) : line)).join('\n');
}
