import { shownText } from '@devlm/workspace-core/shown-text.ts';
import * as vscode from 'vscode';

/** Maximum kept output of a command, in UTF-16 code units. The end is kept. */
const maxOutputChars = 60_000;

/** A command that ran in a terminal, with its output. */
export interface TerminalCommand {
  readonly line: string;
  readonly output: string;
  /** Undefined while the command runs, or if the shell does not report it. */
  readonly exitCode: number | undefined;
}

/**
 * The last command of each terminal whose shell reports commands to the editor (shell integration). Output stays in
 * memory while the terminal is open, and is only used when the user attaches it.
 */
export class TerminalOutput implements vscode.Disposable {
  readonly #last = new Map<vscode.Terminal, { line: string; output: string; exitCode: number | undefined }>();
  readonly #life: vscode.Disposable;

  constructor() {
    const { window } = vscode;
    this.#life = vscode.Disposable.from(
      window.onDidStartTerminalShellExecution(({ terminal, execution }) => void this.#follow(terminal, execution)),
      window.onDidEndTerminalShellExecution(({ terminal, execution, exitCode }) => {
        const command = this.#last.get(terminal);
        if (command && command.line === execution.commandLine.value) command.exitCode = exitCode;
      }),
      window.onDidCloseTerminal((terminal) => this.#last.delete(terminal)),
    );
  }

  /** Returns the last command of the active terminal, or undefined if its shell has not reported any. */
  last(): TerminalCommand | undefined {
    const terminal = vscode.window.activeTerminal;
    const command = terminal && this.#last.get(terminal);
    return command && { ...command, output: shownText(command.output).trim() };
  }

  dispose(): void {
    this.#life.dispose();
    this.#last.clear();
  }

  async #follow(terminal: vscode.Terminal, execution: vscode.TerminalShellExecution): Promise<void> {
    const command = { line: execution.commandLine.value, output: '', exitCode: undefined };
    this.#last.set(terminal, command);
    for await (const data of execution.read()) {
      command.output = (command.output + data).slice(-maxOutputChars);
      // Stop when another command has started: this output is no longer needed.
      if (this.#last.get(terminal) !== command) return;
    }
  }
}
