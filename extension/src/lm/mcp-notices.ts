import type { ServerNotice } from '@devlm/protocol/views.ts';
import * as vscode from 'vscode';
import type { Log } from '../ports.ts';

const t = vscode.l10n.t;

/** Failures that are remembered as told; then it begins anew. */
const maxTold = 200;

/** Tells the person, once for each reason, why an MCP server of this window's project cannot be used. */
export function mcpNotices(projectId: () => string | null, log: Log): (notice: ServerNotice) => void {
  const told = new Set<string>();
  return (notice) => {
    if (notice.type !== 'mcp.changed' || notice.projectId !== projectId()) return;
    const { name, state, detail, tools } = notice.server;
    log.info(`MCP server ${name}: ${state}, ${tools} tools. ${detail}`);
    if (state === 'ready') for (const text of told) if (text.includes(`"${name}"`)) told.delete(text);
    if (state !== 'failed' || told.has(detail)) return;
    if (told.size >= maxTold) told.clear();
    told.add(detail);
    const open = t('Open Settings');
    void vscode.window.showWarningMessage(detail, open).then(async (answer) => {
      if (answer === open) await vscode.commands.executeCommand('workbench.action.openSettings', 'devlm.mcp.servers');
    });
  };
}
