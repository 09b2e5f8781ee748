import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { runCancellable } from '../cancellation.ts';
import { displayPath } from '../editor/workspace-paths.ts';
import type { Span } from './anchor.ts';
import { functionAt, indented, indentOf, isEmptyFunction, todoAt } from './code-places.ts';
import type { InlineProposals } from './inline-proposals.ts';
import { askForProposal, type ProposalsOptions } from './proposals.ts';

const t = vscode.l10n.t;

/** Markers around the place in the text of the file that the model receives. */
const [openMark, closeMark] = ['<<<< generate', 'generate >>>>'];
/** Maximum text before and after the place, in UTF-16 code units. */
const contextChars = 30_000;

/** The place for generated code, and its purpose. */
interface InsertionPlace {
  readonly span: Span;
  /** Instruction for the model. Null if only the user can say what to generate. */
  readonly wanted: string | null;
  /** Adapts the code to the place. */
  readonly fit: (code: string) => string;
}

/** Runs `Generate`: requests code, and shows it in the document for the user to accept or reject. */
export async function generate(
  options: ProposalsOptions,
  inline: InlineProposals,
  { document, range, words: initialWords }: { document: vscode.TextDocument; range: vscode.Range; words: string },
): Promise<void> {
  const target = insertionPlaceOf(document, range);
  const tracked = inline.track(document, target.span);
  let words = initialWords;
  try {
    if (words === '' && target.wanted === null) {
      const prompt = t('What should the code do?');
      words = (await vscode.window.showInputBox({ title: t('Generate Code'), prompt, ignoreFocusOut: true })) ?? '';
      if (words.trim() === '') return;
    }
    if (!tracked.span) return showPlaceChanged(null);
    const line = document.positionAt(tracked.span.start).line + 1;
    const path = displayPath(document.uri);
    const text = [t('Generate code in {0}, line {1}.', path, line), target.wanted ?? '', words]
      .filter((part) => part !== '')
      .join('\n\n');
    const attachments = [markedFile(document, tracked.span)];
    const title = t('Writing code for {0}', path);
    const end = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      (_progress, token) =>
        runCancellable(token, (signal) => askForProposal(options, { task: 'generate', text, attachments }, signal)),
    );
    if (!end) return;
    if (end.text === null) {
      void vscode.window.showWarningMessage(
        end.problem ?? t('The model did not propose any code. Open the chat history to read its answer.'),
      );
      return;
    }
    const retry = ({ start, end: stop }: Span) => {
      const place = new vscode.Range(document.positionAt(start), document.positionAt(stop));
      void generate(options, inline, { document, range: place, words });
    };
    if (!(await inline.show(tracked, target.fit(end.text), retry))) showPlaceChanged(end.text);
  } finally {
    inline.untrack(tracked);
  }
}

/** Tells the user that the text at the place has changed, so that inserting the code would be a guess. */
function showPlaceChanged(code: string | null): void {
  const copy = t('Copy Code');
  const words = t('The code was not inserted because the text at its place has changed.');
  void vscode.window.showWarningMessage(words, ...(code === null ? [] : [copy])).then((answer) => {
    if (answer === copy && code !== null) return vscode.env.clipboard.writeText(code);
    return undefined;
  });
}

/** Returns the place to replace, determined by the cursor or the selection. */
function insertionPlaceOf(document: vscode.TextDocument, range: vscode.Range): InsertionPlace {
  const lines = document.getText().split(/\r?\n/);
  const line = range.start.line;
  const wholeLines = (
    from: number,
    to: number,
    wanted: string | null,
    margin = indentOf(lines[from] ?? ''),
  ): InsertionPlace => ({
    span: {
      start: document.offsetAt(new vscode.Position(from, 0)),
      end: document.offsetAt(document.lineAt(to).range.end),
    },
    wanted,
    fit: (code) => indented(code, margin),
  });
  if (!range.isEmpty) {
    const wanted = t('Do what the marked text says, or rewrite it as requested. The code replaces the marked text.');
    const selected = document.getText(range);
    if (range.isSingleLine && selected.trim() !== (lines[line] ?? '').trim()) {
      const margin = indentOf(lines[line] ?? '');
      const span = { start: document.offsetAt(range.start), end: document.offsetAt(range.end) };
      return { span, wanted, fit: (code) => indented(code, margin).trimStart() };
    }
    const last = range.end.character === 0 && range.end.line > line ? range.end.line - 1 : range.end.line;
    return wholeLines(line, last, wanted);
  }
  const todo = todoAt(lines, line);
  if (todo) return wholeLines(todo.from, todo.to, t('Do what the marked comment says. The code replaces the comment.'));
  const enclosing = functionAt(lines, line);
  if (enclosing && isEmptyFunction(lines, enclosing))
    return wholeLines(
      enclosing.from,
      enclosing.to,
      t('Write the whole function {0}. It replaces the marked one.', enclosing.name),
    );
  const margin = marginOf(lines, line);
  if ((lines[line] ?? '').trim() === '') return wholeLines(line, line, null, margin);
  const end = document.offsetAt(document.lineAt(line).range.end);
  return { span: { start: end, end }, wanted: null, fit: (code) => `\n${indented(code, margin)}` };
}

/** Returns the indentation for code at a line: that of its own text, else that of the surrounding lines. */
function marginOf(lines: readonly string[], line: number): string {
  const currentLine = lines[line] ?? '';
  const next = indentOf(lines.slice(line + 1).find((text) => text.trim() !== '') ?? '');
  if (currentLine.trim() === '' && currentLine !== '') return currentLine;
  const before =
    currentLine.trim() === '' ? (lines.slice(0, line).findLast((text) => text.trim() !== '') ?? '') : currentLine;
  const margin = indentOf(before);
  return /[:{([]\s*$/.test(before) && next.length > margin.length ? next : margin;
}

/** Returns the file with the place marked, truncated to the limit. */
function markedFile(document: vscode.TextDocument, { start, end }: Span): NewAttachment {
  const text = document.getText();
  const from = text.lastIndexOf('\n', Math.max(0, start - contextChars)) + 1;
  const to = Math.min(text.length, end + contextChars);
  const shown = `${text.slice(from, start)}${openMark}\n${text.slice(start, end)}\n${closeMark}${text.slice(end, to)}`;
  return {
    kind: 'selection',
    path: displayPath(document.uri),
    language: document.languageId.slice(0, 64),
    startLine: document.positionAt(from).line + 1,
    endLine: document.positionAt(to).line + 1,
    text: shown.slice(0, limits.attachmentChars),
  };
}
