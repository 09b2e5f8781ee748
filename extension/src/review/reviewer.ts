import { ProblemError } from '@devlm/protocol/problem.ts';
import { addTurns, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { HunkPlace } from '@devlm/protocol/review.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import { storedUri } from '../editor/diff.ts';
import type { Log } from '../ports.ts';
import { filePlace, workspaceFolders } from '../workspace/places.ts';
import { hashOf } from '../workspace/read.ts';
import { shifted } from './shifted.ts';

const t = vscode.l10n.t;

/** URI scheme of documents that show the accepted content of a file under review. Each decision changes it. */
const scheme = 'devlm-agreed';
/**
 * Context key with the paths of the files under review, which menus use. Paths, because URIs differ in a remote
 * window.
 */
const reviewedContext = 'devlm.reviewed';

/** Identifies the turn whose changes are reviewed. */
export interface ReviewedTurn {
  readonly conversationId: string;
  readonly turnId: string;
}

interface Reviewed extends ReviewedTurn {
  readonly file: TurnFile;
  /** The editable document. For a deleted file, an empty one. */
  readonly uri: vscode.Uri;
  /** Positions of the changes in the document. Null if its text is not what DevLM left, so that they are unknown. */
  hunks: readonly HunkPlace[] | null;
}

/** The review of changes in the editor: diffs against the accepted content, and decisions about them. */
export class Reviewer implements vscode.CodeLensProvider, vscode.Disposable {
  readonly onDidChangeCodeLenses: vscode.Event<void>;
  readonly #connection: ServerConnection;
  readonly #log: Log;
  /** Undecided files by URI. */
  readonly #files = new Map<string, Reviewed>();
  /** All files of the opened turns, decided or not, by the URI of their accepted content. */
  readonly #accepted = new Map<string, TurnFile>();
  readonly #lensesChanged = new vscode.EventEmitter<void>();
  readonly #acceptedChanged = new vscode.EventEmitter<vscode.Uri>();
  readonly #registered: vscode.Disposable;

  constructor(connection: ServerConnection, log: Log) {
    this.#connection = connection;
    this.#log = log;
    this.onDidChangeCodeLenses = this.#lensesChanged.event;
    this.#registered = vscode.Disposable.from(
      this.#lensesChanged,
      this.#acceptedChanged,
      vscode.languages.registerCodeLensProvider({ pattern: '**' }, this),
      vscode.workspace.registerTextDocumentContentProvider(scheme, {
        onDidChange: this.#acceptedChanged.event,
        provideTextDocumentContent: (uri) => this.#acceptedText(uri),
      }),
      vscode.workspace.onDidChangeTextDocument((event) => this.#onEdit(event)),
    );
  }

  /** Shows an undecided file, or all undecided files of the turn. */
  async open(turn: ReviewedTurn, path?: string): Promise<void> {
    const reviewed = await this.#load(turn);
    const selected = path === undefined ? undefined : reviewed.find(({ file }) => file.path === path);
    if (selected) return await this.#show(selected);
    if (reviewed.length === 0) {
      void vscode.window.showInformationMessage(t('All changes of this answer have been reviewed.'));
      return;
    }
    const resources = reviewed.map((file) => [file.uri, acceptedUri(file), file.uri] as const);
    await vscode.commands.executeCommand('vscode.changes', t('Changes by DevLM'), resources);
  }

  /**
   * Decides about the file of a document. Default: the active editor's. With `of: 'hunk'`, decides about a single
   * change: the one with index `hunk`, or the one at the cursor.
   */
  async decide(verdict: 'accept' | 'reject', of: 'file' | 'hunk', uri?: unknown, hunk?: unknown): Promise<void> {
    const reviewed = this.#find(uri);
    if (!reviewed) return;
    const index = of === 'file' ? undefined : typeof hunk === 'number' ? hunk : this.#atCursor(reviewed);
    if (index === null) {
      void vscode.window.showInformationMessage(t('There is no DevLM change at the cursor.'));
      return;
    }
    const { conversationId, turnId, file } = reviewed;
    const { path, base, now } = file;
    try {
      const requested = { path, base, now, ...(index === undefined ? {} : { hunks: [index] }) };
      const input = { params: { conversationId, turnId }, body: { verdict, files: [requested] } };
      await this.#connection.call('changes.review', input);
    } catch (error) {
      await this.#showRefusal(error, reviewed);
    }
    await this.#load(reviewed);
  }

  /** Shows the next undecided file. */
  async next(uri?: unknown): Promise<void> {
    const all = [...this.#files.values()];
    const current = this.#find(uri);
    const next = all[((current ? all.indexOf(current) : -1) + 1) % all.length];
    if (next) await this.#show(next);
  }

  /** Reloads the review after decisions elsewhere, such as in the chat. */
  async refresh(): Promise<void> {
    const turns = new Map(
      [...this.#files.values()].map(({ conversationId, turnId }) => [turnId, { conversationId, turnId }]),
    );
    for (const turn of turns.values())
      await this.#load(turn).catch((error: unknown) => this.#log.debug(`review: ${String(error)}`));
  }

  /** Implements `vscode.CodeLensProvider`. */
  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const reviewed = this.#files.get(document.uri.toString());
    if (!reviewed) return [];
    const lens = (line: number, title: string, command: string, ...args: unknown[]) => {
      const at = Math.min(line, Math.max(0, document.lineCount - 1));
      return new vscode.CodeLens(new vscode.Range(at, 0, at, 0), {
        title,
        command,
        arguments: [document.uri, ...args],
      });
    };
    const hunks = reviewed.hunks ?? [];
    return [
      lens(0, t('Accept File'), 'devlm.acceptFile'),
      lens(0, t('Reject File'), 'devlm.rejectFile'),
      lens(0, t('Next Changed File'), 'devlm.nextReviewedFile'),
      ...hunks.flatMap(({ now }, index) => [
        lens(now.line, t('Accept Change'), 'devlm.acceptHunk', index),
        lens(now.line, t('Reject Change'), 'devlm.rejectHunk', index),
      ]),
    ];
  }

  dispose(): void {
    this.#registered.dispose();
  }

  #find(uri: unknown): Reviewed | undefined {
    const target = uri instanceof vscode.Uri ? uri : vscode.window.activeTextEditor?.document.uri;
    return target && this.#files.get(target.toString());
  }

  #atCursor({ uri, hunks }: Reviewed): number | null {
    const editor = vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === uri.toString());
    if (!editor || !hunks) return null;
    const { line } = editor.selection.active;
    const at = hunks.findIndex(({ now }) => line >= now.line && line < now.line + Math.max(1, now.lines));
    return at < 0 ? null : at;
  }

  /** Loads the state of a turn's review. */
  async #load(turn: ReviewedTurn): Promise<Reviewed[]> {
    const { conversationId, turnId } = turn;
    const { turns } = await this.#connection.call('turns.list', {
      params: { conversationId },
      query: { at: turnId, limit: 1 },
    });
    const state = addTurns(emptyConversation(conversationId), turns).turns[turnId];
    const files = state ? turnFiles(state) : [];
    const pending = files.filter(({ base, now }) => base !== now);
    const reviewed = await Promise.all(pending.map((file) => this.#loadFile({ conversationId, turnId }, file)));
    for (const [key, entry] of this.#files) if (entry.turnId === turnId) this.#files.delete(key);
    for (const entry of reviewed) this.#files.set(entry.uri.toString(), entry);
    for (const file of files) {
      const uri = acceptedUri({ turnId, file });
      this.#accepted.set(uri.toString(), file);
      this.#acceptedChanged.fire(uri);
    }
    const paths = [...this.#files.values()].map(({ uri }) => uri.fsPath);
    await vscode.commands.executeCommand('setContext', reviewedContext, paths);
    this.#lensesChanged.fire();
    return reviewed;
  }

  async #loadFile(turn: ReviewedTurn, file: TurnFile): Promise<Reviewed> {
    if (file.now === null) return { ...turn, file, uri: storedUri(file.path, null), hunks: null };
    const { uri } = await filePlace(file.path, workspaceFolders());
    const params = { conversationId: turn.conversationId, turnId: turn.turnId };
    const { now, hunks } = await this.#connection.call('changes.hunks', { params, body: { path: file.path } });
    const document = await vscode.workspace.openTextDocument(uri).then(
      (opened) => opened,
      () => undefined,
    );
    const hash = document && hashOf(document.getText());
    return { ...turn, file, uri, hunks: hash === now ? hunks : null };
  }

  async #show(reviewed: Reviewed): Promise<void> {
    const name = reviewed.file.path.split('/').at(-1) ?? reviewed.file.path;
    const title = t('{0} (changes by DevLM)', name);
    await vscode.commands.executeCommand('vscode.diff', acceptedUri(reviewed), reviewed.uri, title, { preview: true });
  }

  /** Shows why nothing was changed, and offers a diff if the file has changed. */
  async #showRefusal(error: unknown, { file, uri }: Reviewed): Promise<void> {
    if (!(error instanceof ProblemError)) throw error;
    const showDiff = t('Show Differences');
    const { code, detail } = error.problem;
    if (code !== 'files_changed') {
      void vscode.window.showErrorMessage(detail);
      return;
    }
    void vscode.window.showErrorMessage(detail, showDiff).then((answer) => {
      if (answer !== showDiff) return;
      const title = t('{0} (your changes)', file.path);
      return vscode.commands.executeCommand('vscode.diff', storedUri(file.path, file.now), uri, title);
    });
  }

  async #acceptedText(uri: vscode.Uri): Promise<string> {
    const file = this.#accepted.get(uri.toString());
    return file ? (await vscode.workspace.openTextDocument(storedUri(file.path, file.base))).getText() : '';
  }

  #onEdit({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const reviewed = this.#files.get(document.uri.toString());
    if (!reviewed?.hunks || contentChanges.length === 0) return;
    reviewed.hunks = shifted(reviewed.hunks, contentChanges);
    this.#lensesChanged.fire();
  }
}

function acceptedUri({ turnId, file }: Pick<Reviewed, 'turnId' | 'file'>): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${file.path.replace(/^\/+/, '')}`, query: turnId });
}
