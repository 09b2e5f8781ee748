import * as vscode from 'vscode';
import { TerminalText } from './terminal-text.ts';

/** Written before the terminal is open, at most, in UTF-16 code units. */
const waitingChars = 2_000_000;
const dim = (text: string) => `\x1b[2m${text}\x1b[22m`;

/** A terminal that shows what runs in the sandbox. Ctrl+C in it, and closing it, ends what runs. */
export class SandboxTerminal implements vscode.Pseudoterminal, vscode.Disposable {
  readonly #written = new vscode.EventEmitter<string>();
  readonly #terminal: vscode.Terminal;
  readonly onDidWrite = this.#written.event;
  #waiting: string | null = '';
  #texts = { stdout: new TerminalText(), stderr: new TerminalText() };
  #atStart = true;
  /** Called when the person wants the end of what runs; null: nothing runs in it. */
  onInterrupt: (() => void) | null = null;
  /** False once the person has closed it. */
  isOpen = true;

  constructor() {
    const iconPath = new vscode.ThemeIcon('beaker');
    this.#terminal = vscode.window.createTerminal({ name: 'DevLM Sandbox', pty: this, iconPath, isTransient: true });
  }

  /** Begins a run: what was shown before stays above. */
  begin(what: string): void {
    this.#texts = { stdout: new TerminalText(), stderr: new TerminalText() };
    this.line(`> ${what}`);
    this.#terminal.show(true);
  }

  /** What the program printed. */
  print(stream: 'stdout' | 'stderr', text: string): void {
    this.#write(this.#texts[stream].take(text));
  }

  /** A line that DevLM says, apart from the program's own. */
  line(text: string): void {
    const lines = text.replace(/\r?\n/g, '\r\n');
    // Whatever colour the program left.
    this.#write(`\x1b[0m${this.#atStart ? '' : '\r\n'}${dim(lines)}\r\n`);
  }

  /** `vscode.Pseudoterminal`. */
  open(): void {
    const text = this.#waiting;
    this.#waiting = null;
    if (text) this.#written.fire(text);
  }

  /** `vscode.Pseudoterminal`. */
  close(): void {
    this.isOpen = false;
    this.onInterrupt?.();
  }

  /** `vscode.Pseudoterminal`. */
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
    if (this.#waiting === null) this.#written.fire(text);
    else this.#waiting = (this.#waiting + text).slice(-waitingChars);
  }
}
