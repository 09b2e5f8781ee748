import { createHash } from 'node:crypto';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { addTurns, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { HunkPlace } from '@devlm/protocol/review.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import { storedUri } from '../editor/diff.ts';
import type { Log } from '../ports.ts';
import { filePlace, workspaceFolders } from '../workspace/places.ts';
import { shifted } from './shifted.ts';

const t = vscode.l10n.t;

/** Documents of this scheme show what was agreed to of a file that is under review; it changes with each decision. */
const scheme = 'devlm-agreed';
/** Paths of the files under review: menus go by them. A remote window's own names of documents are others. */
const reviewedContext = 'devlm.reviewed';

/** The turn whose changes are reviewed. */
export interface ReviewedTurn {
  readonly conversationId: string;
  readonly turnId: string;
}

interface Reviewed extends ReviewedTurn {
  readonly file: TurnFile;
  /** What the person may write in; of a deleted file, a document that shows nothing. */
  readonly uri: vscode.Uri;
  /** As they lie in the document; null: it is not what DevLM left, so nobody knows. */
  hunks: readonly HunkPlace[] | null;
}

/** Files of turns beside what was agreed to, in the editor's own views, and the decisions that are made there. */
export class Reviewer implements vscode.CodeLensProvider, vscode.Disposable {
  readonly onDidChangeCodeLenses: vscode.Event<void>;
  readonly #connection: ServerConnection;
  readonly #log: Log;
  /** By URI. */
  readonly #files = new Map<string, Reviewed>();
  /** Files of the turns that were opened, decided or not, by the documents that show what was agreed to. */
  readonly #agreed = new Map<string, TurnFile>();
  readonly #lensesChanged = new vscode.EventEmitter<void>();
  readonly #agreedChanged = new vscode.EventEmitter<vscode.Uri>();
  readonly #registered: vscode.Disposable;

  constructor(connection: ServerConnection, log: Log) {
    this.#connection = connection;
    this.#log = log;
    this.onDidChangeCodeLenses = this.#lensesChanged.event;
    this.#registered = vscode.Disposable.from(
      this.#lensesChanged,
      this.#agreedChanged,
      vscode.languages.registerCodeLensProvider({ pattern: '**' }, this),
      vscode.workspace.registerTextDocumentContentProvider(scheme, {
        onDidChange: this.#agreedChanged.event,
        provideTextDocumentContent: (uri) => this.#agreedText(uri),
      }),
      vscode.workspace.onDidChangeTextDocument((event) => this.#edited(event)),
    );
  }

  /** Shows one file that is still to be decided about, or all of the turn together. */
  async open(turn: ReviewedTurn, path?: string): Promise<void> {
    const reviewed = await this.#load(turn);
    const one = path === undefined ? undefined : reviewed.find(({ file }) => file.path === path);
    if (one) return await this.#show(one);
    if (reviewed.length === 0) {
      void vscode.window.showInformationMessage(t('Everything that this answer changed has been decided about.'));
      return;
    }
    const resources = reviewed.map((each) => [each.uri, agreedUri(each), each.uri] as const);
    await vscode.commands.executeCommand('vscode.changes', t('Changes by DevLM'), resources);
  }

  /**
   * Decides about the file of a document, or of the active editor; `hunk`: about this difference alone, or about
   * the one at the cursor.
   */
  async decide(verdict: 'accept' | 'reject', of: 'file' | 'hunk', uri?: unknown, hunk?: unknown): Promise<void> {
    const reviewed = this.#find(uri);
    if (!reviewed) return;
    const index = of === 'file' ? undefined : typeof hunk === 'number' ? hunk : this.#atCursor(reviewed);
    if (index === null) {
      void vscode.window.showInformationMessage(t('There is no change by DevLM at the cursor.'));
      return;
    }
    const { conversationId, turnId, file } = reviewed;
    const { path, base, now } = file;
    try {
      const asked = { path, base, now, ...(index === undefined ? {} : { hunks: [index] }) };
      const input = { params: { conversationId, turnId }, body: { verdict, files: [asked] } };
      await this.#connection.call('changes.review', input);
    } catch (error) {
      await this.#refused(error, reviewed);
    }
    await this.#load(reviewed);
  }

  /** Shows the next file that is still to be decided about. */
  async next(uri?: unknown): Promise<void> {
    const all = [...this.#files.values()];
    const found = this.#find(uri);
    const following = all[((found ? all.indexOf(found) : -1) + 1) % all.length];
    if (following) await this.#show(following);
  }

  /** Decisions were made elsewhere, as in the chat. */
  async refresh(): Promise<void> {
    const turns = new Map(
      [...this.#files.values()].map(({ conversationId, turnId }) => [turnId, { conversationId, turnId }]),
    );
    for (const turn of turns.values())
      await this.#load(turn).catch((error: unknown) => this.#log.debug(`review: ${String(error)}`));
  }

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
    const named = uri instanceof vscode.Uri ? uri : vscode.window.activeTextEditor?.document.uri;
    return named && this.#files.get(named.toString());
  }

  #atCursor({ uri, hunks }: Reviewed): number | null {
    const editor = vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === uri.toString());
    if (!editor || !hunks) return null;
    const { line } = editor.selection.active;
    const at = hunks.findIndex(({ now }) => line >= now.line && line < now.line + Math.max(1, now.lines));
    return at < 0 ? null : at;
  }

  /** Reads anew how far the review of a turn is. */
  async #load(turn: ReviewedTurn): Promise<Reviewed[]> {
    const { conversationId, turnId } = turn;
    const { turns } = await this.#connection.call('turns.list', {
      params: { conversationId },
      query: { at: turnId, limit: 1 },
    });
    const state = addTurns(emptyConversation(conversationId), turns).turns[turnId];
    const files = state ? turnFiles(state) : [];
    const pending = files.filter(({ base, now }) => base !== now);
    const reviewed = await Promise.all(pending.map((file) => this.#reviewed({ conversationId, turnId }, file)));
    for (const [key, one] of this.#files) if (one.turnId === turnId) this.#files.delete(key);
    for (const one of reviewed) this.#files.set(one.uri.toString(), one);
    for (const file of files) {
      const uri = agreedUri({ turnId, file });
      this.#agreed.set(uri.toString(), file);
      this.#agreedChanged.fire(uri);
    }
    const paths = [...this.#files.values()].map(({ uri }) => uri.fsPath);
    await vscode.commands.executeCommand('setContext', reviewedContext, paths);
    this.#lensesChanged.fire();
    return reviewed;
  }

  async #reviewed(turn: ReviewedTurn, file: TurnFile): Promise<Reviewed> {
    if (file.now === null) return { ...turn, file, uri: storedUri(file.path, null), hunks: null };
    const { uri } = await filePlace(file.path, workspaceFolders());
    const params = { conversationId: turn.conversationId, turnId: turn.turnId };
    const { now, hunks } = await this.#connection.call('changes.hunks', { params, body: { path: file.path } });
    const document = await vscode.workspace.openTextDocument(uri).then(
      (opened) => opened,
      () => undefined,
    );
    const hash = document && createHash('sha256').update(document.getText()).digest('hex');
    return { ...turn, file, uri, hunks: hash === now ? hunks : null };
  }

  async #show(reviewed: Reviewed): Promise<void> {
    const name = reviewed.file.path.split('/').at(-1) ?? reviewed.file.path;
    const title = t('{0} (changes by DevLM)', name);
    await vscode.commands.executeCommand('vscode.diff', agreedUri(reviewed), reviewed.uri, title, { preview: true });
  }

  /** Says why nothing was changed, and offers to look at it. */
  async #refused(error: unknown, { file, uri }: Reviewed): Promise<void> {
    if (!(error instanceof ProblemError)) throw error;
    const look = t('Show Differences');
    const { code, detail } = error.problem;
    if (code !== 'files_changed') {
      void vscode.window.showErrorMessage(detail);
      return;
    }
    void vscode.window.showErrorMessage(detail, look).then((answer) => {
      if (answer !== look) return;
      const title = t('{0} (your changes)', file.path);
      return vscode.commands.executeCommand('vscode.diff', storedUri(file.path, file.now), uri, title);
    });
  }

  async #agreedText(uri: vscode.Uri): Promise<string> {
    const file = this.#agreed.get(uri.toString());
    return file ? (await vscode.workspace.openTextDocument(storedUri(file.path, file.base))).getText() : '';
  }

  #edited({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const reviewed = this.#files.get(document.uri.toString());
    if (!reviewed?.hunks || contentChanges.length === 0) return;
    reviewed.hunks = shifted(reviewed.hunks, contentChanges);
    this.#lensesChanged.fire();
  }
}

function agreedUri({ turnId, file }: Pick<Reviewed, 'turnId' | 'file'>): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${file.path.replace(/^\/+/, '')}`, query: turnId });
}
