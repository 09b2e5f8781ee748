import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { TaskAnswer } from '@devlm/protocol/page.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import * as vscode from 'vscode';
import { readChosen } from '../editor/files.ts';
import { displayPath } from '../editor/workspace-paths.ts';
import { functionAt } from './code-places.ts';
import { planTests, type TestPlan } from './test-plan.ts';

const t = vscode.l10n.t;

/** Maximum number of problems in a message. */
const maxProblems = 20;
/**
 * Maximum length of a file that is attached as a whole, in UTF-16 code units. Of a longer file, only the lines around
 * the place are attached.
 */
const maxWholeFileChars = 60_000;
/** Number of lines before and after the place. */
const linesAround = 80;
/** Maximum wait for the symbols of a language, in milliseconds. */
const symbolsMs = 1_500;

/** The target of a command: files, or a part of an open document. */
export type TaskTarget =
  | { readonly kind: 'files'; readonly uris: readonly vscode.Uri[] }
  | { readonly kind: 'part'; readonly document: vscode.TextDocument; readonly range: vscode.Range };

interface Part {
  readonly range: vscode.Range;
  /** Name of the function. Null for a selection or a whole file. */
  readonly name: string | null;
  readonly whole: boolean;
}

/** Builds the message of a command on code, with its attachments. */
export async function gather(
  task: Exclude<Task, 'generate' | 'commit'>,
  target: TaskTarget,
  words: string,
): Promise<TaskAnswer> {
  if (target.kind === 'files') return gatherFiles(task, target.uris, words);
  const { document, range } = target;
  if (task === 'fix') return gatherProblems(document, range, words);
  const part = await partOf(document, range);
  const path = displayPath(document.uri);
  const attachments = [attachmentOf(document, part)];
  const place = describePlace(path, part);
  const lines = [sentences[task](place), words];
  if (task === 'test') lines.push(...(await describeTests(document.uri, attachments)));
  return answer(task, lines, attachments, []);
}

async function gatherFiles(task: Exclude<Task, 'generate' | 'commit'>, uris: readonly vscode.Uri[], words: string) {
  const { attachments, problems } = await readChosen(uris);
  const first = uris[0];
  if (attachments.length === 0 || !first) return { message: null, problems };
  const lines = [sentences[task](uris.map(displayPath).join(', ')), words];
  if (task === 'test') lines.push(...(await describeTests(first, attachments)));
  return answer(task, lines, attachments, problems);
}

function gatherProblems(document: vscode.TextDocument, range: vscode.Range, words: string): TaskAnswer {
  const path = displayPath(document.uri);
  const all = vscode.languages
    .getDiagnostics(document.uri)
    .filter(({ severity }) => severity <= vscode.DiagnosticSeverity.Warning);
  const rows = new vscode.Range(range.start.line, 0, range.end.line, Number.MAX_SAFE_INTEGER);
  const inRange = all.filter((problem) => problem.range.intersection(rows));
  const selected = (inRange.length > 0 ? inRange : all).slice(0, maxProblems);
  if (selected.length === 0 && words === '')
    return { message: null, problems: [t('No problems have been detected in {0}.', path)] };
  const listed = selected.map(({ message, source, range: { start } }) =>
    t('Line {0}: {1}', start.line + 1, source ? `${message.slice(0, 1000)} (${source})` : message.slice(0, 1000)),
  );
  const first = selected[0]?.range ?? range;
  return answer('fix', [t('Fix these problems in {0}:', path), ...listed, words], [surroundings(document, first)], []);
}

const sentences: Readonly<Record<Exclude<Task, 'generate' | 'commit'>, (place: string) => string>> = {
  explain: (place) => t('Explain {0}.', place),
  fix: (place) => t('Fix the problems in {0}.', place),
  test: (place) => t('Write tests for {0}.', place),
  document: (place) => t('Document {0}.', place),
  review: (place) => t('Review {0}.', place),
};

function answer(
  task: Task,
  lines: readonly string[],
  attachments: readonly NewAttachment[],
  problems: readonly string[],
): TaskAnswer {
  const text = lines
    .filter((line) => line.trim() !== '')
    .join('\n')
    .slice(0, limits.messageChars);
  return { message: { task, text, attachments: attachments.slice(0, limits.attachments) }, problems: [...problems] };
}

function describePlace(path: string, { range, name, whole }: Part): string {
  if (whole) return path;
  const [from, to] = [range.start.line + 1, range.end.line + 1];
  if (name !== null) return t('{0} in {1}, lines {2} to {3}', `\`${name}\``, path, from, to);
  return t('the selection in {0}, lines {1} to {2}', path, from, to);
}

/** Returns the selection, else the function around the cursor, else the whole file. */
async function partOf(document: vscode.TextDocument, range: vscode.Range): Promise<Part> {
  if (!range.isEmpty) {
    const end = range.end.character === 0 && range.end.line > range.start.line ? range.end.line - 1 : range.end.line;
    return { range: document.validateRange(new vscode.Range(range.start.line, 0, end, 1e9)), name: null, whole: false };
  }
  const enclosing = (await symbolAt(document, range.start)) ?? functionIn(document, range.start.line);
  if (enclosing) return { ...enclosing, whole: false };
  return { range: document.validateRange(new vscode.Range(0, 0, document.lineCount, 0)), name: null, whole: true };
}

/** Returns the function around a line, determined from the text alone. */
function functionIn(document: vscode.TextDocument, line: number) {
  const enclosing = functionAt(document.getText().split(/\r?\n/), line);
  return (
    enclosing && {
      name: enclosing.name,
      range: document.validateRange(new vscode.Range(enclosing.from, 0, enclosing.to, 1e9)),
    }
  );
}

/** Returns the innermost function around a position, according to the language's symbol provider. */
async function symbolAt(document: vscode.TextDocument, position: vscode.Position) {
  const pending = vscode.commands.executeCommand<unknown>('vscode.executeDocumentSymbolProvider', document.uri);
  const timedOut = new Promise<undefined>((resolve) => setTimeout(resolve, symbolsMs, undefined));
  const symbols = await Promise.race([pending, timedOut]).then(
    (found) => (Array.isArray(found) ? found : []),
    () => [],
  );
  const functions = [
    vscode.SymbolKind.Function,
    vscode.SymbolKind.Method,
    vscode.SymbolKind.Constructor,
    vscode.SymbolKind.Class,
  ];
  let best: { name: string; range: vscode.Range } | null = null;
  for (let level: unknown[] = symbols; level.length > 0; ) {
    const enclosing = level.find(
      (symbol) => symbol instanceof vscode.DocumentSymbol && symbol.range.contains(position),
    );
    if (!(enclosing instanceof vscode.DocumentSymbol)) break;
    if (functions.includes(enclosing.kind)) best = { name: enclosing.name.slice(0, 200), range: enclosing.range };
    level = enclosing.children;
  }
  return best;
}

function attachmentOf(document: vscode.TextDocument, { range, whole }: Part): NewAttachment {
  const base = { path: displayPath(document.uri), language: document.languageId.slice(0, 64) };
  const text = document.getText(range).slice(0, limits.attachmentChars);
  if (whole) return { ...base, kind: 'file', text };
  return { ...base, kind: 'selection', startLine: range.start.line + 1, endLine: range.end.line + 1, text };
}

/** Returns the file as an attachment, or the lines around a range if it is long. */
function surroundings(document: vscode.TextDocument, { start, end }: vscode.Range): NewAttachment {
  const whole = document.validateRange(new vscode.Range(0, 0, document.lineCount, 0));
  if (document.getText().length <= maxWholeFileChars)
    return attachmentOf(document, { range: whole, name: null, whole: true });
  const from = Math.max(0, start.line - linesAround);
  const range = document.validateRange(new vscode.Range(from, 0, end.line + linesAround, 1e9));
  return attachmentOf(document, { range, name: null, whole: false });
}

/** Returns what the workspace says about its tests, and attaches the nearest tests as an example of the style. */
async function describeTests(uri: vscode.Uri, attachments: NewAttachment[]): Promise<string[]> {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (!folder) return [];
  const plan = await planTests(relativeTo(folder, uri), projectFiles(folder)).catch(() => null);
  if (!plan) return [];
  const named = (path: string) => displayPath(vscode.Uri.joinPath(folder.uri, path));
  const example = plan.exists ? plan.file : plan.neighbours[0];
  if (example !== undefined) {
    const read = await readChosen([vscode.Uri.joinPath(folder.uri, example)]);
    attachments.push(
      ...read.attachments.filter(
        (attachment) => attachment.kind === 'file' && attachment.text.length <= maxWholeFileChars,
      ),
    );
  }
  return describeTestPlan(plan, named);
}

function describeTestPlan(
  { framework, because, file, exists, neighbours }: TestPlan,
  named: (path: string) => string,
): string[] {
  return [
    because === null
      ? t('Framework: {0}, the default of the language.', framework)
      : t('Framework: {0}, as in {1}.', framework, named(because)),
    exists ? t('Add them to {0}.', named(file)) : t('Put them in a new file, {0}.', named(file)),
    ...(neighbours.length > 0 ? [t('Neighboring tests: {0}', neighbours.map(named).join(', '))] : []),
  ];
}

function relativeTo(folder: vscode.WorkspaceFolder, uri: vscode.Uri): string {
  return vscode.workspace.asRelativePath(uri, false).replaceAll('\\', '/').replace(`${folder.uri.path}/`, '');
}

function projectFiles(folder: vscode.WorkspaceFolder) {
  return {
    async find(glob: string, max: number) {
      const ignored = '**/{node_modules,vendor,.git,dist,build,.venv,venv,target}/**';
      const uris = await vscode.workspace.findFiles(new vscode.RelativePattern(folder, glob), ignored, max);
      return uris.map((uri) => relativeTo(folder, uri)).sort();
    },
    async read(path: string) {
      const { attachments } = await readChosen([vscode.Uri.joinPath(folder.uri, path)]);
      const [file] = attachments;
      return file?.kind === 'file' ? file.text : null;
    },
  };
}
