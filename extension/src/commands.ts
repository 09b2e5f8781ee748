/*
 * Every command, once. A command = a row here and its entry in package.json, which a unit test
 * keeps in line. No `vscode` at run time, so that the test can read the table in plain Node.
 */

/** What commands can do; `App` implements it. */
export interface CommandTarget {
  focusChat(): Promise<void>;
  /** For the page: it knows which conversation is shown. */
  askPage(what: 'newConversation' | 'showHistory' | 'stop' | 'exportConversation'): Promise<void>;
  setApiKey(): Promise<void>;
  clearApiKey(): Promise<void>;
  setBaseUrl(): Promise<void>;
  openSettings(): Promise<void>;
  attachSelection(): Promise<void>;
  /** @param args what VS Code passes for a file: the one under the pointer, then all that are selected */
  attachFile(...args: unknown[]): Promise<void>;
  runSelection(): Promise<void>;
  showLog(): Promise<void>;
  restartServer(): Promise<void>;
  openWalkthrough(): Promise<void>;
  showStatus(): Promise<void>;
  reloadChat(): Promise<void>;
}

export interface Command {
  readonly id: `devlm.${string}`;
  /** English; `%command.NAME%` in package.json, its text in package.nls.json. */
  readonly title: string;
  /** Codicon. */
  readonly icon?: string;
  /** When-clause. */
  readonly enablement?: string;
  run(target: CommandTarget, ...args: unknown[]): Promise<void>;
}

/** True while the chat page is shown and has loaded. */
export const pageReadyContext = 'devlm.pageReady';
/** True while a key is in this editor's secret storage; known once DevLM has been used. */
export const keyStoredContext = 'devlm.keyStored';

export const commands: readonly Command[] = [
  { id: 'devlm.openChat', title: 'Open Chat', icon: 'comment-discussion', run: (target) => target.focusChat() },
  { id: 'devlm.newChat', title: 'New Chat', icon: 'add', run: (target) => target.askPage('newConversation') },
  {
    id: 'devlm.showHistory',
    title: 'Show Chat History',
    icon: 'history',
    run: (target) => target.askPage('showHistory'),
  },
  {
    id: 'devlm.stop',
    title: 'Stop Answering',
    icon: 'debug-stop',
    run: (target) => target.askPage('stop'),
  },
  { id: 'devlm.setApiKey', title: 'Set API Key...', icon: 'key', run: (target) => target.setApiKey() },
  {
    id: 'devlm.clearApiKey',
    title: 'Remove API Key',
    run: (target) => target.clearApiKey(),
  },
  { id: 'devlm.setBaseUrl', title: 'Set Base URL...', run: (target) => target.setBaseUrl() },
  { id: 'devlm.openSettings', title: 'Open Settings', icon: 'gear', run: (target) => target.openSettings() },
  {
    id: 'devlm.attachSelection',
    title: 'Add Selection to DevLM Chat',
    enablement: 'editorHasSelection',
    run: (target) => target.attachSelection(),
  },
  {
    id: 'devlm.attachFile',
    title: 'Add File to DevLM Chat',
    run: (target, ...args) => target.attachFile(...args),
  },
  {
    id: 'devlm.exportConversation',
    title: 'Export Conversation...',
    icon: 'export',
    enablement: pageReadyContext,
    run: (target) => target.askPage('exportConversation'),
  },
  {
    id: 'devlm.runSelection',
    title: 'Run Selection in Sandbox',
    icon: 'play',
    enablement: 'editorIsOpen',
    run: (target) => target.runSelection(),
  },
  { id: 'devlm.showLog', title: 'Show Log', icon: 'output', run: (target) => target.showLog() },
  {
    id: 'devlm.restartServer',
    title: 'Restart Server',
    icon: 'refresh',
    run: (target) => target.restartServer(),
  },
  { id: 'devlm.openWalkthrough', title: 'Get Started', run: (target) => target.openWalkthrough() },
  { id: 'devlm.showStatus', title: 'Show Status', run: (target) => target.showStatus() },
  { id: 'devlm.reloadChat', title: 'Reload Chat View', run: (target) => target.reloadChat() },
];
