import type { ServerState } from '@devlm/protocol/page.ts';
import type { ServerInfo } from '@devlm/protocol/views.ts';
import * as vscode from 'vscode';
import { App } from './app.ts';
import { viewId } from './chat/chat-view.ts';

/** API for DevLM's own tests inside the editor. Internal: it may change at any time, and is absent in production. */
export interface TestApi {
  /** Duration of `activate`, in milliseconds. */
  readonly activateMs: number;
  /** Returns whether the core has been loaded. */
  readonly loaded: () => boolean;
  readonly serverState: () => ServerState;
  /** Starts the server if it is not running. Resolves when it is ready for calls. */
  readonly ready: () => Promise<ServerInfo>;
  readonly dataDir: () => Promise<string>;
  readonly setKey: (key: string | null) => Promise<void>;
  readonly hasKey: () => Promise<boolean>;
  /** Returns the kinds of the latest messages from the page, oldest first. */
  readonly pageMessages: () => readonly string[];
}

/** Activates the extension. It only registers contributions: the core is loaded and the server started on first use. */
export function activate(context: vscode.ExtensionContext): TestApi | undefined {
  const start = performance.now();
  const app = new App(context);
  const activateMs = performance.now() - start;
  app.log.debug(`activated in ${activateMs.toFixed(1)} ms`);
  if (context.extensionMode === vscode.ExtensionMode.Development) void showChatOnce(context);
  return context.extensionMode === vscode.ExtensionMode.Production ? undefined : testApi(app, activateMs);
}

/** Shows the chat at the first `npm start`. Later the window keeps the layout that the user left. */
async function showChatOnce({ globalState }: vscode.ExtensionContext): Promise<void> {
  const key = 'devlm.chatShown';
  if (!process.env['DEVLM_SHOW_CHAT'] || globalState.get(key)) return;
  await globalState.update(key, true);
  await vscode.commands.executeCommand(`${viewId}.focus`);
}

function testApi(app: App, activateMs: number): TestApi {
  return {
    activateMs,
    loaded: () => app.loaded !== undefined,
    serverState: () => app.loaded?.connection.state ?? { state: 'idle' },
    ready: async () => await (await app.core()).connection.call('server.info', {}),
    dataDir: async () => (await app.core()).dataDir,
    setKey: async (key) => (key === null ? await app.key.clear() : await app.key.store(key)),
    hasKey: async () => (await app.key.read()) !== null,
    pageMessages: () => app.loaded?.host.history ?? [],
  };
}
