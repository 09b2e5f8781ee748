import * as vscode from 'vscode';
import { proposalContext } from '../commands.ts';
import { grownBy, movedBy, type OffsetChange, type Span } from './anchor.ts';

const t = vscode.l10n.t;

/** URI scheme of documents that show a document without its generated code. The query is the document's URI. */
const beforeScheme = 'devlm-before';

/** Maximum number of attempts to insert code while the user types in the same file. */
const replaceAttempts = 10;

/** A place that waits for code. It moves with the surrounding text, and becomes invalid when its own text changes. */
export interface TrackedPlace {
  readonly document: vscode.TextDocument;
  readonly original: string;
  /** Null once the text of the place was changed. */
  span: Span | null;
}

/** Generated code in a document that the user has not decided about. */
interface ShownProposal extends TrackedPlace {
  span: Span;
  /** Generates other code for a place. */
  readonly retry: (place: Span) => void;
}

/** Generated code in the editor: inserted and highlighted, and accepted or rejected by the user. */
export class InlineProposals implements vscode.CodeLensProvider, vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #tracked = new Set<TrackedPlace>();
  /** At most one per document. */
  readonly #shown = new Map<vscode.TextDocument, ShownProposal>();
  readonly #lenses = new vscode.EventEmitter<void>();
  readonly #added: vscode.TextEditorDecorationType;
  readonly #waiting: vscode.TextEditorDecorationType;
  readonly #disposables: readonly vscode.Disposable[];

  constructor() {
    this.#added = vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      backgroundColor: new vscode.ThemeColor('diffEditor.insertedLineBackground'),
      overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.addedForeground'),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    });
    this.#waiting = vscode.window.createTextEditorDecorationType({
      after: {
        contentText: `  ${t('DevLM is writing...')}`,
        color: new vscode.ThemeColor('editorCodeLens.foreground'),
        fontStyle: 'italic',
      },
    });
    this.#disposables = [
      this.#added,
      this.#waiting,
      this.#lenses,
      vscode.languages.registerCodeLensProvider('*', this),
      vscode.workspace.registerTextDocumentContentProvider(beforeScheme, this),
      vscode.workspace.onDidChangeTextDocument((event) => this.#changed(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.#drop(document)),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#paint()),
      vscode.window.onDidChangeActiveTextEditor(() => this.#paint()),
    ];
  }

  readonly onDidChangeCodeLenses: vscode.Event<void> = (...listener) => this.#lenses.event(...listener);

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose();
  }

  /** Tracks a place until `untrack`. */
  track(document: vscode.TextDocument, span: Span): TrackedPlace {
    const place: TrackedPlace = { document, span, original: document.getText(rangeOf(document, span)) };
    this.#tracked.add(place);
    this.#paint();
    return place;
  }

  /** Stops tracking a place. */
  untrack(place: TrackedPlace): void {
    this.#tracked.delete(place);
    this.#paint();
  }

  /**
   * Inserts code at a tracked place and highlights it. `reject` and undo restore the original text.
   *
   * @returns false if the place has changed; the document is unchanged then
   */
  async show(tracked: TrackedPlace, code: string, retry: (place: Span) => void): Promise<boolean> {
    const { document, original } = tracked;
    this.accept(document);
    const text = withEnds(code, document.eol);
    const span = await replaceTracked(tracked, text);
    this.untrack(tracked);
    if (!span) return false;
    const inserted = { start: span.start, end: span.start + text.length };
    // The user typed into the code at the same moment: leave it unmarked; undo removes it.
    if (document.getText(rangeOf(document, inserted)) !== text) return true;
    this.#shown.set(document, { document, original, span: inserted, retry });
    this.#paint();
    return true;
  }

  /** Keeps the code of a document. Default: the active editor's. */
  accept(document = vscode.window.activeTextEditor?.document): void {
    if (document) this.#drop(document);
  }

  /** Restores the original text. */
  async reject(document = vscode.window.activeTextEditor?.document): Promise<void> {
    const shown = document && this.#shown.get(document);
    if (!shown) return;
    this.#drop(shown.document);
    const edit = new vscode.WorkspaceEdit();
    edit.replace(shown.document.uri, rangeOf(shown.document, shown.span), shown.original);
    if (!(await vscode.workspace.applyEdit(edit)))
      void vscode.window.showWarningMessage(t('Cannot remove the generated code. Undo it in the editor.'));
  }

  /** Removes the code and generates other code. */
  async retry(document = vscode.window.activeTextEditor?.document): Promise<void> {
    const shown = document && this.#shown.get(document);
    if (!shown) return;
    const { start } = shown.span;
    await this.reject(document);
    shown.retry({ start, end: start + shown.original.length });
  }

  /** Implements `vscode.CodeLensProvider`. */
  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const shown = this.#shown.get(document);
    if (!shown) return [];
    const { start } = rangeOf(document, shown.span);
    const lens = (title: string, command: string, ...args: unknown[]) =>
      new vscode.CodeLens(new vscode.Range(start, start), { title, command, arguments: [...args, document.uri] });
    return [
      lens(`$(check) ${t('Accept')}`, 'devlm.acceptProposal'),
      lens(`$(discard) ${t('Reject')}`, 'devlm.rejectProposal'),
      lens(`$(refresh) ${t('Retry')}`, 'devlm.retryProposal'),
      ...(shown.original.trim() === '' ? [] : [lens(`$(diff) ${t('Compare')}`, 'vscode.diff', beforeUri(document))]),
    ];
  }

  /** Implements `vscode.TextDocumentContentProvider`. */
  provideTextDocumentContent({ query }: vscode.Uri): string {
    const shown = [...this.#shown.values()].find(({ document }) => document.uri.toString() === query);
    if (!shown) return '';
    const text = shown.document.getText();
    return text.slice(0, shown.span.start) + shown.original + text.slice(shown.span.end);
  }

  #changed({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    if (contentChanges.length === 0) return;
    const changes = contentChanges.map(
      ({ rangeOffset, rangeLength, text }): OffsetChange => ({ offset: rangeOffset, length: rangeLength, text }),
    );
    for (const place of this.#tracked) {
      if (place.document === document && place.span) place.span = movedBy(place.span, changes);
    }
    const shown = this.#shown.get(document);
    if (!shown) return;
    const span = grownBy(shown.span, changes);
    // The insertion was undone, or the border between the code and other text is lost.
    if (!span || document.getText(rangeOf(document, span)) === shown.original) this.#drop(document);
    else shown.span = span;
    this.#paint();
  }

  #drop(document: vscode.TextDocument): void {
    if (this.#shown.delete(document)) this.#paint();
  }

  #paint(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const { document } = editor;
      const shown = this.#shown.get(document);
      const hover =
        shown && shown.original.trim() !== '' ? replacedTextHover(shown.original, document.languageId) : null;
      const marked = shown ? [{ range: rangeOf(document, shown.span), ...(hover ? { hoverMessage: hover } : {}) }] : [];
      editor.setDecorations(this.#added, marked);
      const waiting = [...this.#tracked].flatMap(({ document: trackedDocument, span }) =>
        trackedDocument === document && span ? [rangeOf(document, { start: span.end, end: span.end })] : [],
      );
      editor.setDecorations(this.#waiting, waiting);
    }
    const active = vscode.window.activeTextEditor?.document;
    void vscode.commands.executeCommand('setContext', proposalContext, active !== undefined && this.#shown.has(active));
    this.#lenses.fire();
  }
}

/**
 * Replaces the text of a tracked place. If the editor refuses because the document has changed since, waits for the
 * change event and tries again.
 *
 * @returns the replaced range, or null if the place has changed; the document is unchanged then
 */
async function replaceTracked(place: TrackedPlace, text: string): Promise<Span | null> {
  const { document, original } = place;
  for (let attempt = 0; attempt < replaceAttempts; attempt++) {
    const { span } = place;
    if (!span || document.isClosed || document.getText(rangeOf(document, span)) !== original) return null;
    const edit = new vscode.WorkspaceEdit();
    edit.replace(document.uri, rangeOf(document, span), text);
    const { version } = document;
    if (await vscode.workspace.applyEdit(edit)) return span;
    await untilNewerThan(document, version);
  }
  return null;
}

/** Resolves when the document has a newer version, or after one second. */
async function untilNewerThan(document: vscode.TextDocument, version: number): Promise<void> {
  if (document.version !== version) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const subscription = vscode.workspace.onDidChangeTextDocument((event) => {
    if (event.document === document) resolve();
  });
  const timer = setTimeout(resolve, 1_000);
  await promise;
  clearTimeout(timer);
  subscription.dispose();
}

function rangeOf(document: vscode.TextDocument, { start, end }: Span): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}

function beforeUri({ uri }: vscode.TextDocument): vscode.Uri {
  return vscode.Uri.from({ scheme: beforeScheme, path: uri.path, query: uri.toString() });
}

function withEnds(text: string, eol: vscode.EndOfLine): string {
  const normalized = text.replaceAll('\r\n', '\n');
  return eol === vscode.EndOfLine.CRLF ? normalized.replaceAll('\n', '\r\n') : normalized;
}

function replacedTextHover(original: string, language: string): vscode.MarkdownString {
  return new vscode.MarkdownString(t('This replaces:')).appendCodeblock(original.slice(0, 5_000), language);
}
