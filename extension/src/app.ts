import { randomUUID } from 'node:crypto';
import { Id } from '@devlm/protocol/ids.ts';
import type { HostToPage, PageCommand } from '@devlm/protocol/page.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import * as vscode from 'vscode';
import { ApiKey, askBaseUrl } from './api-key.ts';
import { ChatView, viewId } from './chat/chat-view.ts';
import type { CommandTarget } from './commands.ts';
import { commands, keyStoredContext, type PageRequest, pageReadyContext } from './commands.ts';
import { sendBudgets } from './connection/budgets.ts';
import type { Credential } from './connection/connection.ts';
import { accountOf, type Profile } from './connection/profiles.ts';
import type { Core } from './core.ts';
import { offerModels } from './lm/model-provider.ts';
import { registerChatParts } from './lm/register.ts';
import { Servers } from './servers.ts';
import * as settings from './settings.ts';
import { describeState, formatCost, StatusBar } from './status-bar.ts';
import { offeredKinds, taskActions } from './tasks/quick-fix.ts';

const t = vscode.l10n.t;

/** The light part of the extension. It registers contributions, and loads the rest (`core.ts`) on first use. */
export class App implements CommandTarget, vscode.Disposable {
  readonly key: ApiKey;
  readonly servers: Servers;
  readonly log: vscode.LogOutputChannel;
  readonly #context: vscode.ExtensionContext;
  readonly #view: ChatView;
  readonly #status: StatusBar;
  /** Fires when the server or the API key of the server has changed. */
  readonly #modelsChanged = new vscode.EventEmitter<void>();
  #core: Promise<Core> | undefined;
  /** The profile that `#core` was created with. Null: the local server. */
  #profile: Profile | null = null;
  /** Runs server switches one after the other. */
  #switching = Promise.resolve();
  /** The core, once it is loaded. */
  loaded: Core | undefined;
  #disposed = false;

  constructor(context: vscode.ExtensionContext) {
    this.#context = context;
    this.log = vscode.window.createOutputChannel('DevLM', { log: true });
    this.key = new ApiKey(context.secrets);
    this.servers = new Servers(context);
    this.#status = new StatusBar();
    const host = async () => (await this.core()).host;
    this.#view = new ChatView({ extensionUri: context.extensionUri, host, log: this.log });
    context.subscriptions.push(
      this.log,
      this.#status,
      this.#view,
      this,
      vscode.window.registerWebviewViewProvider(viewId, this.#view, {
        webviewOptions: { retainContextWhenHidden: false },
      }),
      ...commands.map(({ id, run }) => vscode.commands.registerCommand(id, (...args) => run(this, ...args))),
      vscode.languages.registerCodeActionsProvider('*', taskActions, offeredKinds),
      registerChatParts(() => this.core()),
      this.#modelsChanged,
      offerModels({
        models: async () => (await this.core()).chatModels,
        known: async () =>
          this.loaded?.connection.state.state === 'ready' ||
          (await this.key.read()) !== null ||
          (await this.servers.active()) !== null,
        changed: this.#modelsChanged.event,
      }),
      vscode.workspace.onDidChangeConfiguration((event) => this.#configured(event)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.loaded?.host.settingsChanged()),
      this.key.onChange(() => this.#credentialChanged('apiKey')),
      this.servers.onChange(() => this.#serverChanged()),
      vscode.window.registerUriHandler({ handleUri: (uri) => this.#connectWith(() => this.servers.open(uri)) }),
    );
  }

  /** Loads the core. This does not start the server. */
  async core(): Promise<Core> {
    this.#core ??= this.#load().catch((error: unknown) => {
      this.#core = undefined;
      throw error;
    });
    return await this.#core;
  }

  dispose(): void {
    this.#disposed = true;
    this.loaded?.dispose();
  }

  async focusChat(conversationId?: unknown): Promise<void> {
    const id = Id.safeParse(conversationId);
    if (id.success) await this.#ask({ kind: 'do', what: 'openConversation', conversationId: id.data });
    await this.#ask({ kind: 'do', what: 'focusInput' });
  }

  async askPage(what: PageRequest): Promise<void> {
    await this.#ask({ kind: 'do', what });
  }

  async setApiKey(): Promise<void> {
    await this.key.ask();
  }

  async clearApiKey(): Promise<void> {
    if ((await this.key.read()) === null) {
      void vscode.window.showInformationMessage(t('No API key is stored in this editor.'));
      return;
    }
    await this.key.clear();
    void vscode.window.showInformationMessage(t('The API key was removed from this editor.'));
  }

  async setBaseUrl(): Promise<void> {
    const value = await askBaseUrl(settings.baseUrl() ?? '');
    if (value === undefined) return;
    const configuration = vscode.workspace.getConfiguration(settings.section);
    await configuration.update('baseUrl', value.trim() || undefined, vscode.ConfigurationTarget.Global);
  }

  async openSettings(): Promise<void> {
    await vscode.commands.executeCommand('workbench.action.openSettings', `@ext:${this.#context.extension.id}`);
  }

  async manageTrust(): Promise<void> {
    await vscode.commands.executeCommand('workbench.trust.manage');
  }

  async attachSelection(): Promise<void> {
    const { files } = await this.core();
    // Read the selection before the focus moves to the chat.
    const answer = files.selection();
    if (answer.attachments.length + answer.problems.length === 0) await this.focusChat();
    else await this.#ask({ kind: 'do', what: 'attach', files: answer });
  }

  async attachFile(...args: unknown[]): Promise<void> {
    const { files } = await this.core();
    const selected: readonly unknown[] = Array.isArray(args[1]) && args[1].length > 0 ? args[1] : args.slice(0, 1);
    const uris = selected.filter((uri) => uri instanceof vscode.Uri);
    const active = vscode.window.activeTextEditor?.document.uri;
    if (uris.length === 0 && active) uris.push(active);
    const answer = uris.length > 0 ? await files.chosen(uris) : await files.pick();
    if (answer.attachments.length + answer.problems.length === 0) return;
    await this.#ask({ kind: 'do', what: 'attach', files: answer });
  }

  async runSelection(): Promise<void> {
    await (await this.core()).runSelection();
  }

  async runTask(task: Task, ...args: unknown[]): Promise<void> {
    await (await this.core()).tasks.run(task, args);
  }

  async answerProposal(answer: 'accept' | 'reject' | 'retry', ...args: unknown[]): Promise<void> {
    await this.loaded?.tasks.answer(answer, args[0]);
  }

  async decide(verdict: 'accept' | 'reject', of: 'file' | 'hunk', ...args: unknown[]): Promise<void> {
    await this.loaded?.reviewer.decide(verdict, of, ...args);
  }

  async nextReviewedFile(...args: unknown[]): Promise<void> {
    await this.loaded?.reviewer.next(args[0]);
  }

  async showLog(): Promise<void> {
    this.log.show(true);
  }

  async stopCommands(): Promise<void> {
    const stopped = (await this.loaded?.stopCommands()) ?? 0;
    void vscode.window.showInformationMessage(
      stopped === 0 ? t('No DevLM commands are running in this window.') : t('Commands stopped: {0}', stopped),
    );
  }

  async restartServer(): Promise<void> {
    const { connection } = await this.core();
    const remote = connection.state.remote;
    const title = remote === undefined ? t('Restarting the DevLM server') : t('Connecting to {0}', remote);
    await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, async () => {
      await connection.restart();
      // The status bar and the page show a failure.
      await connection.ready().catch(() => undefined);
    });
  }

  async connectServer(): Promise<void> {
    await this.#connectWith(() => this.servers.connect());
  }

  async switchServer(): Promise<void> {
    await this.#connectWith(() => this.servers.choose());
  }

  async setServerToken(): Promise<void> {
    await this.#connectWith(() => this.servers.enterToken());
  }

  async openWalkthrough(): Promise<void> {
    const walkthrough = `${this.#context.extension.id}#devlm.start`;
    await vscode.commands.executeCommand('workbench.action.openWalkthrough', walkthrough, false);
  }

  async showStatus(): Promise<void> {
    const server = this.loaded?.connection.state ?? { state: 'idle' as const };
    const cost = server.today ? ` ${t('Today: {0}', formatCost(server.today.costUsd))}` : '';
    const offered = ['openChat', 'newChat', 'setApiKey', 'openSettings', 'showLog', 'switchServer', 'restartServer'];
    const items = commands
      .filter(({ id }) => offered.includes(id.slice('devlm.'.length)))
      .map((command) => ({
        command,
        label: `$(${command.icon ?? 'circle-outline'}) ${vscode.l10n.t(command.title)}`,
      }));
    const picked = await vscode.window.showQuickPick(items, {
      title: 'DevLM',
      placeHolder: describeState(server) + cost,
    });
    await picked?.command.run(this);
  }

  async reloadChat(): Promise<void> {
    this.#view.reload();
  }

  /** Runs a command that the page requested. */
  async runCommand(command: PageCommand): Promise<void> {
    if (command === 'startServer') (await this.core()).connection.start();
    else await this[command]();
  }

  async #load(): Promise<Core> {
    const { createCore } = await import('./core.ts');
    const { extension, extensionUri, workspaceState, globalState } = this.#context;
    const bundle = process.env['DEVLM_SERVER_BUNDLE'] || vscode.Uri.joinPath(extensionUri, 'dist', 'server.mjs').fsPath;
    const profile = await this.servers.active();
    this.#profile = profile;
    const core = createCore({
      remote: profile,
      token: async () => (await this.servers.active())?.token ?? null,
      version: String(extension.packageJSON.version),
      serverBundle: bundle,
      dataDir: settings.dataDir(),
      credential: async () => ({ apiKey: await this.key.read(), baseUrl: settings.baseUrl() }),
      budgets: settings.budgets,
      memento: workspaceState,
      machineMemento: globalState,
      defaults: settings.chatDefaults(),
      settings: settings.pageSettings,
      projectId: () => this.#projectId(),
      runCommand: (command) => this.runCommand(command),
      askPage: (message) => this.#ask(message),
      onPageReady: (ready) => this.#pageReady(ready),
      log: this.log,
    });
    this.loaded = core;
    if (this.#disposed) core.dispose();
    let modelsKey = '';
    core.connection.onState((state) => {
      this.#status.update(state);
      const newModelsKey = `${state.state === 'ready'} ${state.key}`;
      if (newModelsKey !== modelsKey) this.#modelsChanged.fire();
      modelsKey = newModelsKey;
    });
    await this.#keyStored();
    return core;
  }

  /** Connects to the server that the user chose, and shows the chat. */
  async #connectWith(choose: () => Promise<boolean>): Promise<void> {
    if (!(await choose())) return;
    await this.#serverChanged();
    await this.focusChat();
  }

  /**
   * Switches to the active server. Runs twice in the window that made the change, once by the secret's change event;
   * the second run finds nothing to do.
   */
  async #serverChanged(): Promise<void> {
    this.#switching = this.#switching
      .then(() => this.#switch())
      .catch((error: unknown) => this.log.error(`could not switch the server: ${String(error)}`));
    await this.#switching;
  }

  async #switch(): Promise<void> {
    const core = await this.#core;
    const profile = await this.servers.active();
    const previous = this.#profile;
    const isSameAccount = accountOf(profile) === accountOf(previous);
    if (!core || (isSameAccount && profile?.token === previous?.token)) return;
    this.#profile = profile;
    if (isSameAccount) return await core.connection.restart();
    this.#core = undefined;
    this.loaded = undefined;
    core.dispose();
    this.#status.update({ state: 'idle' });
    await this.#view.rehost();
    this.#modelsChanged.fire();
  }

  #pageReady(ready: boolean): void {
    if (ready) this.#view.ready();
    void vscode.commands.executeCommand('setContext', pageReadyContext, ready);
  }

  async #ask(message: Extract<HostToPage, { kind: 'do' }>): Promise<void> {
    await this.#view.ask(message);
  }

  #configured(event: vscode.ConfigurationChangeEvent): void {
    if (!this.loaded || !event.affectsConfiguration(settings.section)) return;
    const defaultsChanged = ['model', 'thinking'].some((name) =>
      event.affectsConfiguration(`${settings.section}.${name}`),
    );
    if (defaultsChanged) this.loaded.defaultsChanged(settings.chatDefaults());
    this.loaded.host.settingsChanged();
    this.#status.update(this.loaded.connection.state);
    if (event.affectsConfiguration(`${settings.section}.baseUrl`)) this.#credentialChanged('baseUrl');
    if (event.affectsConfiguration(`${settings.section}.budget`)) this.#budgetsChanged();
    if (event.affectsConfiguration(`${settings.section}.dataDir`)) void this.#offerReload();
  }

  async #offerReload(): Promise<void> {
    const reload = t('Reload Window');
    const answer = await vscode.window.showInformationMessage(
      t('Reload the window to use the new DevLM data folder.'),
      reload,
    );
    if (answer === reload) await vscode.commands.executeCommand('workbench.action.reloadWindow');
  }

  #credentialChanged(part: keyof Credential): void {
    void this.#keyStored();
    this.loaded?.connection
      .credentialChanged(part)
      .catch((error: unknown) => this.log.debug(`could not send the credential: ${String(error)}`));
  }

  /** Sends the budgets to a running server. A server that starts later receives them on connecting. */
  #budgetsChanged(): void {
    const connection = this.loaded?.connection;
    if (connection?.state.state !== 'ready') return;
    sendBudgets(connection, settings.budgets()).catch((error: unknown) =>
      this.log.warn(`could not send the budgets: ${String(error)}`),
    );
  }

  async #keyStored(): Promise<void> {
    await vscode.commands.executeCommand('setContext', keyStoredContext, (await this.key.read()) !== null);
  }

  /**
   * Returns the id of the window's project. The id is generated once and stored by the editor, so that no file is
   * written into the folder.
   */
  #projectId(): string | null {
    if (!vscode.workspace.workspaceFolders?.length) return null;
    const key = `projectId${accountOf(this.#profile)}`;
    const stored = this.#context.workspaceState.get<unknown>(key);
    if (typeof stored === 'string') return stored;
    const id = randomUUID();
    void this.#context.workspaceState.update(key, id);
    return id;
  }
}
