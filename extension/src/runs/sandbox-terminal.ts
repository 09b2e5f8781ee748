import { TerminalText } from '@devlm/protocol/terminal-text.ts';
import * as vscode from 'vscode';

/** Maximum text buffered before the terminal is open, in UTF-16 code units. */
const maxBufferedChars = 2_000_000;
const dim = (text: string) => `\x1b[2m${text}\x1b[22m`;

/** A terminal that shows a sandbox run. Ctrl+C and closing it stop the run. */
export class SandboxTerminal implements vscode.Pseudoterminal, vscode.Disposable {
  readonly #written = new vscode.EventEmitter<string>();
  readonly #terminal: vscode.Terminal;
  readonly onDidWrite = this.#written.event;
  #buffered: string | null = '';
  #texts = { stdout: new TerminalText(), stderr: new TerminalText() };
  #atStart = true;
  /** Called when the user stops the run. Null if nothing runs in this terminal. */
  onInterrupt: (() => void) | null = null;
  /** False once the user has closed the terminal. */
  isOpen = true;

  constructor() {
    const iconPath = new vscode.ThemeIcon('beaker');
    this.#terminal = vscode.window.createTerminal({ name: 'DevLM Sandbox', pty: this, iconPath, isTransient: true });
  }

  /** Begins a run below the earlier output. */
  begin(title: string): void {
    this.#texts = { stdout: new TerminalText(), stderr: new TerminalText() };
    this.line(`> ${title}`);
    this.#terminal.show(true);
  }

  /** Prints output of the program. */
  print(stream: 'stdout' | 'stderr', text: string): void {
    this.#write(this.#texts[stream].take(text));
  }

  /** Prints a line of DevLM, set apart from the program's output. */
  line(text: string): void {
    const lines = text.replace(/\r?\n/g, '\r\n');
    // Reset the color that the program may have left.
    this.#write(`\x1b[0m${this.#atStart ? '' : '\r\n'}${dim(lines)}\r\n`);
  }

  /** Implements `vscode.Pseudoterminal`. */
  open(): void {
    const text = this.#buffered;
    this.#buffered = null;
    if (text) this.#written.fire(text);
  }

  /** Implements `vscode.Pseudoterminal`. */
  close(): void {
    this.isOpen = false;
    this.onInterrupt?.();
  }

  /** Implements `vscode.Pseudoterminal`. */
  handleInput(data: string): void {
    if (data === '\x03') this.onInterrupt?.();
  }

  dispose(): void {
    this.#terminal.dispose();
    this.#written.dispose();
  }

  #write(text: string): void {
    if (text === '') return;
    this.#atStart = text.endsWith('\n');
    if (this.#buffered === null) this.#written.fire(text);
    else this.#buffered = (this.#buffered + text).slice(-maxBufferedChars);
  }
}
