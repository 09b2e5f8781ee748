import type { ServerState } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import { pageSettings } from './settings.ts';

const t = vscode.l10n.t;

/** Describes the server state in one sentence, for the tooltip, the quick pick and screen readers. */
export function describeState(server: ServerState): string {
  const { state, problem, key, demo, remote } = server;
  if (remote !== undefined) return describeRemote(server, remote);
  if (state === 'failed') return problem?.detail ?? t('The server could not be started.');
  if (state === 'starting') return t('The server is starting.');
  if (state === 'reconnecting') return t('Reconnecting to the server.');
  if (state === 'idle') return t('The server starts when you use DevLM.');
  if (demo) return t('The server is running a scripted demo. This is not AI.');
  if (problem) return problem.detail;
  return key === 'missing' ? t('The server is running. No API key is set.') : t('The server is running.');
}

function describeRemote({ state, problem, key }: ServerState, host: string): string {
  if (problem) return problem.detail;
  if (state === 'starting' || state === 'reconnecting') return t('Connecting to {0}.', host);
  if (state === 'idle') return t('DevLM connects to {0} when you use it.', host);
  return key === 'missing'
    ? t('Connected to {0}. The server has no access to Claude yet. Ask your administrator to set it up.', host)
    : t('Connected to {0}.', host);
}

/** Formats an amount in US dollars, with three decimals below $0.10. */
export function formatCost(dollars: number): string {
  return `$${dollars.toFixed(dollars > 0 && dollars < 0.1 ? 3 : 2)}`;
}

/** The status bar item, which shows the server state and today's cost. */
export class StatusBar implements vscode.Disposable {
  readonly #item: vscode.StatusBarItem;

  constructor() {
    this.#item = vscode.window.createStatusBarItem('devlm.status', vscode.StatusBarAlignment.Right, 90);
    this.#item.name = 'DevLM';
    this.#item.command = 'devlm.showStatus';
    this.update({ state: 'idle' });
    this.#item.show();
  }

  /** Updates the item. */
  update(server: ServerState): void {
    const cost = pageSettings().showCost ? server.today?.costUsd : undefined;
    const icon = icons[server.state];
    const label = server.demo ? t('DevLM demo') : ['DevLM', server.remote].filter(Boolean).join(' · ');
    this.#item.text = `$(${icon}) ${label}${cost === undefined || cost === 0 ? '' : ` ${formatCost(cost)}`}`;
    const lines = [describeState(server)];
    if (server.today) lines.push(t('Today: {0}', formatCost(server.today.costUsd)));
    if (server.today?.unpricedSteps) lines.push(t('Answers without a known price: {0}', server.today.unpricedSteps));
    this.#item.tooltip = lines.join('\n');
    this.#item.accessibilityInformation = { label: `DevLM: ${lines.join(' ')}` };
    const isWarning = server.state === 'failed' || (server.state === 'ready' && server.problem !== undefined);
    this.#item.backgroundColor = isWarning ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  }

  dispose(): void {
    this.#item.dispose();
  }
}

const icons: Readonly<Record<ServerState['state'], string>> = {
  idle: 'comment-discussion',
  starting: 'loading~spin',
  ready: 'comment-discussion',
  reconnecting: 'sync~spin',
  failed: 'warning',
};
