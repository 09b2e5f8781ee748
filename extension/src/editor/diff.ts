import type { EditorAction } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import { withSignal } from '../cancellation.ts';
import type { ServerConnection } from '../connection/connection.ts';

const t = vscode.l10n.t;

/** URI scheme of stored file versions. The path names the file; the query is the hash of its content. */
const scheme = 'devlm-stored';

/** Registers a provider for file versions that the server stores. */
export function provideStoredFiles(connection: ServerConnection): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    async provideTextDocumentContent(uri, token) {
      // An empty query means that the file did not exist: compare with an empty document.
      if (uri.query === '') return '';
      const input = { params: { hash: uri.query } };
      const { data } = await withSignal(token, (signal) => connection.call('blobs.get', input, { signal }));
      return new TextDecoder().decode(Buffer.from(data, 'base64'));
    },
  });
}

/** Opens the diff editor with two stored versions of a file. */
export async function openDiff({
  path,
  before,
  after,
}: Pick<Extract<EditorAction, { action: 'openDiff' }>, 'path' | 'before' | 'after'>): Promise<void> {
  const name = path.split('/').at(-1) ?? path;
  const title =
    before === null ? t('{0} (created)', name) : after === null ? t('{0} (deleted)', name) : t('{0} (changed)', name);
  const options: vscode.TextDocumentShowOptions = { preview: true };
  await vscode.commands.executeCommand('vscode.diff', storedUri(path, before), storedUri(path, after), title, options);
}

/** Returns the URI of a stored version of a file. A null hash means that the file does not exist. */
export function storedUri(path: string, hash: string | null): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${path.replace(/^\/+/, '')}`, query: hash ?? '' });
}
