import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import { Client } from '../../../extension/src/connection/client.ts';
import { endpointOf, readDiscovery } from '../../../extension/src/connection/discovery.ts';
import { runEditorAction } from '../../../extension/src/editor/actions.ts';
import type { TestApi } from '../../../extension/src/main.ts';
import { problemsOf } from '../../../extension/src/problems.ts';
import { test } from '../../support/vscode/harness.ts';

/*
 * Tests how the editor shows files that the agent has changed, with a real server. The server accepts only images as
 * uploads, and recognizes them by their first bytes.
 */

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

const act = (action: Parameters<typeof runEditorAction>[0]) => {
  const unused = () => Promise.reject(new Error('not asked for'));
  const connection = undefined as never;
  return runEditorAction(action, AbortSignal.timeout(20_000), {
    ...{ connection, reviewer: { open: unused }, tasks: connection, terminals: connection },
    ...{ saveView: unused, runCommand: unused },
  });
};

async function store(...texts: string[]): Promise<string[]> {
  const api = await vscode.extensions.getExtension<TestApi>('devlm.devlm')?.activate();
  check(api !== undefined, 'the extension is not there');
  await api.ready();
  const discovery = await readDiscovery(await api.dataDir());
  check(discovery !== null, 'no server was found');
  const client = new Client(endpointOf(discovery), problemsOf(vscode.l10n.t));
  const { id: conversationId } = await client.call('conversations.create', { body: { id: randomUUID() } });
  const attachments = texts.map((text) => ({
    kind: 'image' as const,
    name: 'a.gif',
    mediaType: 'image/gif' as const,
    data: Buffer.from(text).toString('base64'),
  }));
  const turnId = randomUUID();
  const body = { turnId, parent: null, text: 'x', attachments };
  await client.call('turns.create', { params: { conversationId }, body });
  await client.call('turns.stop', { params: { conversationId, turnId } });
  return texts.map((text) => createHash('sha256').update(text).digest('hex'));
}

/** Returns the two sides of the visible diff, once both are shown. */
async function shownDiff(label: string): Promise<{ left: vscode.TextDocument; right: vscode.TextDocument }> {
  for (const until = performance.now() + 20_000; performance.now() < until; await sleep(50)) {
    const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
    if (tab?.label !== label || !(tab.input instanceof vscode.TabInputTextDiff)) continue;
    const { original, modified } = tab.input;
    const of = (uri: vscode.Uri) => vscode.workspace.textDocuments.find((doc) => doc.uri.toString() === uri.toString());
    const [left, right] = [of(original), of(modified)];
    if (left && right) return { left, right };
  }
  throw new Error(`no diff named ${label}: ${vscode.window.tabGroups.activeTabGroup.activeTab?.label}`);
}

test('a change opens in the diff editor with both stored versions', async () => {
  const texts = ['GIF89a\nconst ä = 1;\n', 'GIF89a\nconst ä = 2;\r\n'];
  const [before = '', after = ''] = await store(...texts);
  await act({ action: 'openDiff', path: 'src/a #1?.ts', before, after });
  const { left, right } = await shownDiff('a #1?.ts (changed)');
  check(left.getText() === texts[0], `left: ${left.getText()}`);
  // The editor gives a document its most frequent line ending.
  check(right.getText().replaceAll('\r\n', '\n') === texts[1]?.replaceAll('\r\n', '\n'), `right: ${right.getText()}`);
  check(left.languageId === 'typescript', `the language is ${left.languageId}`);

  await act({ action: 'openDiff', path: 'src/a.ts', before: null, after });
  check((await shownDiff('a.ts (created)')).left.getText() === '', 'a file that was made has nothing before');
  await act({ action: 'openDiff', path: 'src/a.ts', before, after: null });
  check((await shownDiff('a.ts (deleted)')).right.getText() === '', 'a deleted file has nothing after');
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
});

test('a workspace file opens at its line; a missing file or one outside the workspace does not', async () => {
  await act({ action: 'openFile', path: 'todo/recurrence.py', line: 3 });
  const editor = vscode.window.activeTextEditor;
  check(editor?.document.uri.path.endsWith('/todo/recurrence.py') === true, 'another file is open');
  check(editor.selection.start.line === 2, `it is at line ${editor.selection.start.line + 1}`);
  for (const [path, code] of [
    ['/etc/passwd', 'link_refused'],
    ['../../../etc/passwd', 'link_refused'],
    ['file:///etc/passwd', 'link_refused'],
    ['command:workbench.action.quit', 'link_refused'],
    ['todo/none.py', 'file_not_found'],
  ] as const) {
    const refusal: unknown = await act({ action: 'openFile', path }).then(
      () => 'opened',
      (error: { problem?: { code: string } }) => error.problem?.code ?? String(error),
    );
    check(refusal === code, `${path}: ${String(refusal)}`);
  }
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
});
