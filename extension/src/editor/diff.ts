import type { EditorAction } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';

const t = vscode.l10n.t;

/** Documents of this scheme show what a file once was: its path names it, the query is the hash of its content. */
const scheme = 'devlm-stored';

/** Lets the editor show contents that the server keeps. */
export function provideStoredFiles(connection: ServerConnection): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    async provideTextDocumentContent(uri, token) {
      // No file: the other side is compared with nothing.
      if (uri.query === '') return '';
      const cut = new AbortController();
      const listening = token.onCancellationRequested(() => cut.abort());
      try {
        const input = { params: { hash: uri.query } };
        const { data } = await connection.call('blobs.get', input, { signal: cut.signal });
        return new TextDecoder().decode(Buffer.from(data, 'base64'));
      } finally {
        listening.dispose();
      }
    },
  });
}

/** Shows two contents of a file beside each other in the editor's own view for that. */
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

/** A document that shows a stored version of a file; null: no file. */
export function storedUri(path: string, hash: string | null): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${path.replace(/^\/+/, '')}`, query: hash ?? '' });
}
