import type { ServerNotice } from '@devlm/protocol/views.ts';
import * as vscode from 'vscode';
import type { Log } from '../ports.ts';

const t = vscode.l10n.t;

/** Number of reported failures that are remembered before the list is cleared. */
const maxReported = 200;

/** Returns a listener that warns the user, once per reason, why an MCP server of the project cannot be used. */
export function mcpNotices(projectId: () => string | null, log: Log): (notice: ServerNotice) => void {
  const reported = new Set<string>();
  return (notice) => {
    if (notice.type !== 'mcp.changed' || notice.projectId !== projectId()) return;
    const { name, state, detail, tools } = notice.server;
    log.info(`MCP server ${name}: ${state}, ${tools} tools. ${detail}`);
    if (state === 'ready') for (const text of reported) if (text.includes(`"${name}"`)) reported.delete(text);
    if (state !== 'failed' || reported.has(detail)) return;
    if (reported.size >= maxReported) reported.clear();
    reported.add(detail);
    const open = t('Open Settings');
    void vscode.window.showWarningMessage(detail, open).then(async (answer) => {
      if (answer === open) await vscode.commands.executeCommand('workbench.action.openSettings', 'devlm.mcp.servers');
    });
  };
}
