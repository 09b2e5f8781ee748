/*
 * The table of commands. A command is a row here and an entry in package.json; a unit test checks that they agree.
 * This file does not import `vscode` at run time, so that the test can read the table in plain Node.
 */

import type { Task } from '@devlm/protocol/tasks.ts';

/** What a command may ask of the page. */
export type PageRequest =
  | 'newConversation'
  | 'showHistory'
  | 'showUsage'
  | 'stop'
  | 'exportConversation'
  | 'showSentRequests';

/** Implementation of the commands; `App` implements it. */
export interface CommandTarget {
  /**
   * Shows the chat.
   * @param conversationId conversation to show. Default: the one that was shown last
   */
  focusChat(conversationId?: unknown): Promise<void>;
  /** Sends a request to the page, which knows the shown conversation. */
  askPage(what: PageRequest): Promise<void>;
  setApiKey(): Promise<void>;
  clearApiKey(): Promise<void>;
  setBaseUrl(): Promise<void>;
  openSettings(): Promise<void>;
  attachSelection(): Promise<void>;
  /**
   * Attaches files to the draft.
   * @param args arguments of VS Code: the clicked file, then all selected files
   */
  attachFile(...args: unknown[]): Promise<void>;
  runSelection(): Promise<void>;
  /**
   * Runs a task on code.
   * @param args arguments of VS Code: the clicked item, or the location of a code action
   */
  runTask(task: Task, ...args: unknown[]): Promise<void>;
  /** Accepts, rejects or regenerates generated code. Default: that of the active editor. */
  answerProposal(answer: 'accept' | 'reject' | 'retry', ...args: unknown[]): Promise<void>;
  /** Accepts or rejects changes under review. Default: those of the active editor's document. */
  decide(verdict: 'accept' | 'reject', of: 'file' | 'hunk', ...args: unknown[]): Promise<void>;
  nextReviewedFile(...args: unknown[]): Promise<void>;
  showLog(): Promise<void>;
  /** Stops the commands that the agent has started in this window. */
  stopCommands(): Promise<void>;
  restartServer(): Promise<void>;
  /** Connects to a remote server. Asks for its address and a token. */
  connectServer(): Promise<void>;
  switchServer(): Promise<void>;
  setServerToken(): Promise<void>;
  openWalkthrough(): Promise<void>;
  showStatus(): Promise<void>;
  reloadChat(): Promise<void>;
}

/** A command. */
export interface Command {
  readonly id: `devlm.${string}`;
  /** English title. package.json has it as `%command.NAME%`, with the text in package.nls.json. */
  readonly title: string;
  /** Name of a codicon. */
  readonly icon?: string;
  /** When-clause. */
  readonly enablement?: string;
  run(target: CommandTarget, ...args: unknown[]): Promise<void>;
}

/** Context key that is true while the chat page is shown and loaded. */
export const pageReadyContext = 'devlm.pageReady';
/** Context key that is true while this editor has an API key. It is set once DevLM has been used. */
export const keyStoredContext = 'devlm.keyStored';
/** Context key that is true while the active editor shows generated code that is not decided yet. */
export const proposalContext = 'devlm.proposalShown';

/** When-clause for an active editor that shows a file with changes under review. */
const isUnderReview = 'resourcePath in devlm.reviewed';

/** All commands. */
export const commands: readonly Command[] = [
  { id: 'devlm.openChat', title: 'Open Chat', icon: 'comment-discussion', run: (target, id) => target.focusChat(id) },
  { id: 'devlm.newChat', title: 'New Chat', icon: 'add', run: (target) => target.askPage('newConversation') },
  {
    id: 'devlm.showHistory',
    title: 'Show Chat History',
    icon: 'history',
    run: (target) => target.askPage('showHistory'),
  },
  {
    id: 'devlm.showUsage',
    title: 'Show Usage',
    icon: 'graph',
    run: (target) => target.askPage('showUsage'),
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
    id: 'devlm.showSentRequests',
    title: 'Show Requests Sent to the Model',
    enablement: pageReadyContext,
    run: (target) => target.askPage('showSentRequests'),
  },
  {
    id: 'devlm.runSelection',
    title: 'Run Selection in Sandbox',
    icon: 'play',
    enablement: 'editorIsOpen',
    run: (target) => target.runSelection(),
  },
  { id: 'devlm.explain', title: 'Explain This', run: (target, ...args) => target.runTask('explain', ...args) },
  {
    id: 'devlm.fix',
    title: 'Fix This',
    enablement: 'editorIsOpen',
    run: (target, ...args) => target.runTask('fix', ...args),
  },
  {
    id: 'devlm.generate',
    title: 'Generate Here',
    enablement: 'editorIsOpen',
    run: (target, ...args) => target.runTask('generate', ...args),
  },
  { id: 'devlm.test', title: 'Test This', run: (target, ...args) => target.runTask('test', ...args) },
  { id: 'devlm.document', title: 'Document This', run: (target, ...args) => target.runTask('document', ...args) },
  { id: 'devlm.review', title: 'Review This', run: (target, ...args) => target.runTask('review', ...args) },
  {
    id: 'devlm.commitMessage',
    title: 'Write Commit Message',
    icon: 'sparkle',
    run: (target, ...args) => target.runTask('commit', ...args),
  },
  {
    id: 'devlm.acceptProposal',
    title: 'Accept Generated Code',
    enablement: proposalContext,
    run: (target, ...args) => target.answerProposal('accept', ...args),
  },
  {
    id: 'devlm.rejectProposal',
    title: 'Reject Generated Code',
    enablement: proposalContext,
    run: (target, ...args) => target.answerProposal('reject', ...args),
  },
  {
    id: 'devlm.retryProposal',
    title: 'Generate Other Code',
    enablement: proposalContext,
    run: (target, ...args) => target.answerProposal('retry', ...args),
  },
  {
    id: 'devlm.acceptHunk',
    title: 'Accept Change at Cursor',
    enablement: isUnderReview,
    run: (target, ...args) => target.decide('accept', 'hunk', ...args),
  },
  {
    id: 'devlm.rejectHunk',
    title: 'Reject Change at Cursor',
    enablement: isUnderReview,
    run: (target, ...args) => target.decide('reject', 'hunk', ...args),
  },
  {
    id: 'devlm.acceptFile',
    title: 'Accept Changes of File',
    icon: 'check',
    enablement: isUnderReview,
    run: (target, ...args) => target.decide('accept', 'file', ...args),
  },
  {
    id: 'devlm.rejectFile',
    title: 'Reject Changes of File',
    icon: 'discard',
    enablement: isUnderReview,
    run: (target, ...args) => target.decide('reject', 'file', ...args),
  },
  {
    id: 'devlm.nextReviewedFile',
    title: 'Next Changed File',
    icon: 'arrow-right',
    enablement: isUnderReview,
    run: (target, ...args) => target.nextReviewedFile(...args),
  },
  { id: 'devlm.showLog', title: 'Show Log', icon: 'output', run: (target) => target.showLog() },
  {
    id: 'devlm.stopCommands',
    title: 'Stop Background Commands',
    icon: 'stop-circle',
    run: (target) => target.stopCommands(),
  },
  {
    id: 'devlm.restartServer',
    title: 'Restart Server',
    icon: 'refresh',
    run: (target) => target.restartServer(),
  },
  {
    id: 'devlm.connectServer',
    title: 'Connect to Server...',
    icon: 'plug',
    run: (target) => target.connectServer(),
  },
  {
    id: 'devlm.switchServer',
    title: 'Switch Server...',
    icon: 'server',
    run: (target) => target.switchServer(),
  },
  {
    id: 'devlm.setServerToken',
    title: 'Enter Server Token...',
    run: (target) => target.setServerToken(),
  },
  { id: 'devlm.openWalkthrough', title: 'Get Started', run: (target) => target.openWalkthrough() },
  { id: 'devlm.showStatus', title: 'Show Status', run: (target) => target.showStatus() },
  { id: 'devlm.reloadChat', title: 'Reload Chat View', run: (target) => target.reloadChat() },
];
