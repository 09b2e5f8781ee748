import { stripVTControlCharacters } from 'node:util';
import * as vscode from 'vscode';

/** What is kept of one command's output: its end, in UTF-16 code units. */
const outputChars = 60_000;

export interface TerminalCommand {
  readonly line: string;
  readonly output: string;
  /** Undefined while it runs, and where the shell does not say. */
  readonly exitCode: number | undefined;
}

/**
 * The last command of each terminal, as far as its shell tells the editor (shell integration). Kept in memory
 * as long as the terminal is open, and read by nobody but who attaches it.
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

  /** The last command of the active terminal; undefined where there is none, or its shell tells nothing. */
  last(): TerminalCommand | undefined {
    const terminal = vscode.window.activeTerminal;
    const command = terminal && this.#last.get(terminal);
    return command && { ...command, output: plainText(command.output) };
  }

  dispose(): void {
    this.#life.dispose();
    this.#last.clear();
  }

  async #follow(terminal: vscode.Terminal, execution: vscode.TerminalShellExecution): Promise<void> {
    const command = { line: execution.commandLine.value, output: '', exitCode: undefined };
    this.#last.set(terminal, command);
    for await (const data of execution.read()) {
      command.output = (command.output + data).slice(-outputChars);
      // Another one has begun: nobody asks for this one any more.
      if (this.#last.get(terminal) !== command) return;
    }
  }
}

/** What a person sees of it: without colours, and of a line that was written over only its last form. */
function plainText(output: string): string {
  return stripVTControlCharacters(output).replace(/\r+\n/g, '\n').replace(/^.*\r/gm, '').trim();
}
