import type { HostToPage } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import type { Log } from '../ports.ts';
import type { ChatHost } from './chat-host.ts';
import { brokenHtml, pageHtml } from './html.ts';

export const viewId = 'devlm.chat';

/** The page has to say `ready` within this time of being shown; then it is loaded once more, then given up. */
const bootMs = 10_000;
/** Messages of a page that is quicker than the loading of its host. */
const maxEarly = 100;

export interface ChatViewOptions {
  readonly extensionUri: vscode.Uri;
  /** Loads the heavy half on first use. */
  readonly host: () => Promise<ChatHost>;
  readonly log: Log;
}

/** The view in the side bar: the page's life, from skeleton to `ready`, and what happens when it does not come. */
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

  /** `vscode.WebviewViewProvider`. */
  async resolveWebviewView(view: vscode.WebviewView): Promise<void> {
    this.#view = view;
    this.#reloads = 0;
    view.onDidDispose(() => this.#gone(view));
    view.onDidChangeVisibility(() => this.#shown(view));
    view.webview.onDidReceiveMessage((message: unknown) => this.#received(message));
    await this.#open(view);
  }

  /** The host is another one: the page begins anew with it. */
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
      this.#options.log.error(`the chat could not be set up: ${error instanceof Error ? error.stack : String(error)}`);
      this.#break(view);
      return;
    }
    if (this.#view !== view) return;
    if (view.visible) this.#connect(view, this.#host);
    for (const message of this.#early.splice(0)) this.#host.receive(message);
  }

  /** Shows the view, wherever the person has put it, with the keyboard in it. */
  async focus(): Promise<void> {
    await vscode.commands.executeCommand(`${viewId}.focus`);
  }

  /** Shows the view and asks something of the page as soon as it is there. */
  async ask(message: Extract<HostToPage, { kind: 'do' }>): Promise<void> {
    await this.focus();
    (await this.#options.host()).ask(message);
  }

  reload(): void {
    this.#reloads = 0;
    if (this.#view) this.#load(this.#view);
  }

  /** The page has said that it is there. */
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
      else this.#break(view);
    }, bootMs);
  }

  #break(view: vscode.WebviewView): void {
    clearTimeout(this.#bootTimer);
    this.#host?.loading();
    view.webview.options = { enableScripts: false, enableCommandUris: ['devlm.reloadChat', 'devlm.showLog'] };
    view.webview.html = brokenHtml();
  }

  #shown(view: vscode.WebviewView): void {
    if (view.visible) {
      if (this.#host) this.#connect(view, this.#host);
      // The page is loaded anew each time that it is shown.
      this.#awaitBoot(view);
    } else {
      clearTimeout(this.#bootTimer);
      this.#host?.disconnect();
    }
  }

  #connect(view: vscode.WebviewView, host: ChatHost): void {
    host.connect((message) => view.webview.postMessage(message));
  }

  #gone(view: vscode.WebviewView): void {
    if (this.#view !== view) return;
    this.#view = undefined;
    clearTimeout(this.#bootTimer);
    this.#host?.disconnect();
  }

  #received(message: unknown): void {
    if (this.#host) this.#host.receive(message);
    else if (this.#early.length < maxEarly) this.#early.push(message);
  }
}
