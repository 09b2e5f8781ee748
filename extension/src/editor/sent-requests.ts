import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';

const { t } = vscode.l10n;

/** Lets the user choose a request that was sent to the model for a turn, and shows it as JSON. */
export async function showSentRequests(
  params: { conversationId: string; turnId: string },
  connection: ServerConnection,
  signal: AbortSignal,
): Promise<void> {
  const { conversationId, turnId } = params;
  const at = { conversationId, turnId };
  const { requests } = await connection.call('sentRequests.list', { params: at }, { signal });
  if (requests.length === 0) {
    void vscode.window.showInformationMessage(
      t('The server no longer has the requests for this answer. It keeps only the newest ones, until it is restarted.'),
    );
    return;
  }
  const items = requests.map(({ stepId, sentAt, model, messages, chars }, index) => ({
    label: t('Request {0}', index + 1),
    description: `${model} · ${new Date(sentAt).toLocaleTimeString()}`,
    detail: t('{0} messages, {1} characters', messages, chars.toLocaleString()),
    stepId,
  }));
  const chosen = await vscode.window.showQuickPick(items.toReversed(), {
    placeHolder: t('Requests sent to the model for the newest answer, newest first'),
  });
  if (!chosen) return;
  const { request } = await connection.call(
    'sentRequests.get',
    { params: { ...at, stepId: chosen.stepId } },
    { signal },
  );
  const content = `${JSON.stringify(request, null, 2)}\n`;
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: 'json', content }));
}
