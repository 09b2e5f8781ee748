import { randomUUID } from 'node:crypto';
import type { EditorHello } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../server/connection.ts';
import type { Log } from '../server/ports.ts';
import type { Problems } from '../server/problems.ts';
import { applyChanges } from './apply.ts';
import { Lender } from './attach.ts';
import { diagnosticsNow } from './diagnostics.ts';
import { listFiles } from './list.ts';
import { type Folder, filePlace, placeOf, workspaceFolders } from './places.ts';
import { look } from './read.ts';
import type { Handlers } from './requests.ts';
import { findRipgrep } from './ripgrep.ts';
import { searchFiles } from './search.ts';

export interface LendOptions {
  readonly connection: ServerConnection;
  readonly projectId: () => string | null;
  readonly problems: Problems;
  readonly log: Log;
}

/** The setting with the permission rules, below `devlm`. */
const rulesSetting = 'permissions';

/** The setting that lets files be changed without a question, below `devlm`. The user's alone. */
const acceptSetting = 'acceptEdits';
const acceptEdits = { verdict: 'allow', tool: '*', path: '**' };

/** Lends this window's workspace to the agent, from now until it is disposed of. */
export function lendWorkspace({ connection, projectId, problems, log }: LendOptions): vscode.Disposable {
  const windowId = randomUUID();
  const handlers = workspaceHandlers({ folders: workspaceFolders, trusted: () => vscode.workspace.isTrusted });
  const lender = new Lender({
    connection,
    handlers,
    problems,
    log,
    hello: () => {
      const project = projectId();
      return project === null ? null : helloOf(windowId, project);
    },
  });
  const changed = () => lender.changed();
  return vscode.Disposable.from(
    lender,
    vscode.workspace.onDidGrantWorkspaceTrust(changed),
    vscode.workspace.onDidChangeWorkspaceFolders(changed),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(`devlm.${rulesSetting}`) || event.affectsConfiguration(`devlm.${acceptSetting}`))
        changed();
    }),
  );
}

/** What the window says of itself. */
export function helloOf(windowId: string, projectId: string): EditorHello {
  const settings = vscode.workspace.getConfiguration('devlm');
  const rules = settings.inspect<unknown>(rulesSetting);
  const own = plain(rules?.globalValue) ?? [];
  const accepts = settings.inspect<boolean>(acceptSetting)?.globalValue === true;
  return {
    windowId,
    projectId,
    trusted: vscode.workspace.isTrusted,
    folders: workspaceFolders()
      .slice(0, 50)
      .map(({ name, uri }) => ({ name: name.slice(0, 255), path: uri.scheme === 'file' ? uri.fsPath : null })),
    rules: {
      // What cannot be read is handed on as it is: the server then allows nothing by it.
      user: accepts && Array.isArray(own) ? [...own, acceptEdits] : own,
      workspace: plain(rules?.workspaceValue),
    },
  };
}

/** What answers requests about these folders. */
export function workspaceHandlers(options: {
  readonly folders: () => readonly Folder[];
  readonly trusted: () => boolean;
  /** Folder of the editor, in which its ripgrep is sought. Default: this editor's. */
  readonly appRoot?: string;
}): Handlers {
  const { folders, trusted } = options;
  let program: Promise<string | undefined> | undefined;
  return {
    read: async ({ path }) => {
      const place = await placeOf(path, folders());
      return place ? (await look(place)).file : { kind: 'folder' };
    },
    apply: async ({ changes }, signal) =>
      await applyChanges(changes, { folders: folders(), trusted: trusted(), signal }),
    list: async (asked, signal) => await listFiles(asked, folders(), signal),
    search: async (asked, signal) => {
      program ??= findRipgrep(options.appRoot ?? vscode.env.appRoot);
      return await searchFiles(asked, folders(), await program, signal);
    },
    diagnostics: async ({ paths }) => {
      const places = await Promise.all(paths.map((path) => filePlace(path, folders())));
      const uris = paths.length === 0 ? null : places.map(({ uri }) => uri);
      return { items: diagnosticsNow(uris, folders()) };
    },
  };
}

/** JSON of a setting, whose values the editor may hand out as proxies. */
function plain(value: unknown): EditorHello['rules']['user'] {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
