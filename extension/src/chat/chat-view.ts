import type { HostToPage } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import type { Log } from '../ports.ts';
import type { ChatHost } from './chat-host.ts';
import { brokenHtml, pageHtml } from './html.ts';

/** Id of the chat view. */
export const viewId = 'devlm.chat';

/**
 * Time within which a page has to send `ready` after it is shown, in milliseconds. Otherwise it is loaded once more,
 * then given up.
 */
const bootMs = 10_000;
/** Maximum number of messages that are queued while the host is loading. */
const maxEarly = 100;

/** Options of a `ChatView`. */
export interface ChatViewOptions {
  readonly extensionUri: vscode.Uri;
  /** Loads the core on first use. */
  readonly host: () => Promise<ChatHost>;
  readonly log: Log;
}

/**
 * The view in the side bar. It manages the life cycle of the page, from the skeleton to `ready`, and reports a page
 * that does not load.
 */
export class ChatView implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #options: ChatViewOptions;
  #view: vscode.WebviewView | undefined;
  #host: ChatHost | undefined;
  #bootTimer: NodeJS.Timeout | undefined;
  #reloads = 0;
  #early: unknown[] = [];

  constructor(options: ChatViewOptions) {
    this.#options = options;
  }

  /** Implements `vscode.WebviewViewProvider`. */
  async resolveWebviewView(view: vscode.WebviewView): Promise<void> {
    this.#view = view;
    this.#reloads = 0;
    view.onDidDispose(() => this.#onDispose(view));
    view.onDidChangeVisibility(() => this.#onVisibilityChange(view));
    view.webview.onDidReceiveMessage((message: unknown) => this.#onMessage(message));
    await this.#open(view);
  }

  /** Reloads the page with a new host. */
  async rehost(): Promise<void> {
    this.#host?.disconnect();
    this.#host = undefined;
    this.#early = [];
    this.#reloads = 0;
    if (this.#view) await this.#open(this.#view);
  }

  async #open(view: vscode.WebviewView): Promise<void> {
    this.#load(view);
    try {
      this.#host = await this.#options.host();
    } catch (error) {
      this.#options.log.error(`could not set up the chat: ${error instanceof Error ? error.stack : String(error)}`);
      this.#showBroken(view);
      return;
    }
    if (this.#view !== view) return;
    if (view.visible) this.#connect(view, this.#host);
    for (const message of this.#early.splice(0)) this.#host.receive(message);
  }

  /** Reveals the view, wherever the user has placed it, and moves the focus to it. */
  async focus(): Promise<void> {
    await vscode.commands.executeCommand(`${viewId}.focus`);
  }

  /** Reveals the view and sends a request to the page as soon as it is ready. */
  async ask(message: Extract<HostToPage, { kind: 'do' }>): Promise<void> {
    await this.focus();
    (await this.#options.host()).ask(message);
  }

  /** Reloads the page. */
  reload(): void {
    this.#reloads = 0;
    if (this.#view) this.#load(this.#view);
  }

  /** Handles the page's `ready`. */
  ready(): void {
    clearTimeout(this.#bootTimer);
    this.#reloads = 0;
  }

  dispose(): void {
    clearTimeout(this.#bootTimer);
  }

  #load(view: vscode.WebviewView): void {
    const { extensionUri } = this.#options;
    view.webview.options = { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(extensionUri, 'dist')] };
    this.#host?.loading();
    view.webview.html = pageHtml(view.webview, extensionUri);
    this.#awaitBoot(view);
  }

  #awaitBoot(view: vscode.WebviewView): void {
    clearTimeout(this.#bootTimer);
    if (!view.visible) return;
    this.#bootTimer = setTimeout(() => {
      this.#options.log.error(`the chat page did not load within ${bootMs / 1000} s`);
      this.#reloads += 1;
      if (this.#reloads === 1) this.#load(view);
      else this.#showBroken(view);
    }, bootMs);
  }

  #showBroken(view: vscode.WebviewView): void {
    clearTimeout(this.#bootTimer);
    this.#host?.loading();
    view.webview.options = { enableScripts: false, enableCommandUris: ['devlm.reloadChat', 'devlm.showLog'] };
    view.webview.html = brokenHtml();
  }

  #onVisibilityChange(view: vscode.WebviewView): void {
    if (view.visible) {
      if (this.#host) this.#connect(view, this.#host);
      // The page is loaded again each time it is shown.
      this.#awaitBoot(view);
    } else {
      clearTimeout(this.#bootTimer);
      this.#host?.disconnect();
    }
  }

  #connect(view: vscode.WebviewView, host: ChatHost): void {
    host.connect((message) => view.webview.postMessage(message));
  }

  #onDispose(view: vscode.WebviewView): void {
    if (this.#view !== view) return;
    this.#view = undefined;
    clearTimeout(this.#bootTimer);
    this.#host?.disconnect();
  }

  #onMessage(message: unknown): void {
    if (this.#host) this.#host.receive(message);
    else if (this.#early.length < maxEarly) this.#early.push(message);
  }
}
