import { randomUUID } from 'node:crypto';
import type { CommandShell } from '@devlm/protocol/commands.ts';
import type { EditorHello } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import { McpFiles, mcpSetting } from '../lm/mcp-files.ts';
import { callOffered, offeredTools, offerSetting } from '../lm/offered-tools.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { applyChanges } from './apply.ts';
import { Lender } from './attach.ts';
import { Commands } from './commands/commands.ts';
import { commandHandlers } from './commands/handlers.ts';
import { diagnosticsNow } from './diagnostics.ts';
import { listFiles } from './list.ts';
import { type Folder, filePlace, placeOf, workspaceFolders } from './places.ts';
import { look } from './read.ts';
import type { Handlers } from './requests.ts';
import { findRipgrep } from './ripgrep.ts';
import { searchFiles } from './search.ts';
import { symbolsNamed } from './symbols.ts';

export interface LendOptions {
  readonly connection: ServerConnection;
  readonly projectId: () => string | null;
  readonly problems: Problems;
  readonly log: Log;
}

/** The setting with the permission rules, below `devlm`. */
const rulesSetting = 'permissions';

/** The setting with the length of the repository map, below `devlm`. */
const mapSetting = 'repositoryMapTokens';

/** The setting that lets files be changed without a question, below `devlm`. The user's alone. */
const acceptSetting = 'acceptEdits';
const acceptEdits = { verdict: 'allow', tool: '*', path: '**' };

export interface LentWorkspace extends vscode.Disposable {
  /** Ends the commands that run in this window; answers how many. */
  stopCommands(): Promise<number>;
}

/** Lends this window's workspace to the agent, from now until it is disposed of. */
export function lendWorkspace({ connection, projectId, problems, log }: LendOptions): LentWorkspace {
  const windowId = randomUUID();
  const commands = new Commands();
  const handlers = workspaceHandlers({
    folders: workspaceFolders,
    trusted: () => vscode.workspace.isTrusted,
    commands,
  });
  const mcp = new McpFiles(log, () => lender.changed());
  const lender = new Lender({
    connection,
    handlers,
    problems,
    log,
    hello: () => {
      const project = projectId();
      return project === null
        ? null
        : {
            ...helloOf(windowId, project, commands.shell.name),
            mcp: mcp.mcp,
            tools: offeredTools(),
          };
    },
  });
  const changed = () => lender.changed();
  const disposables = vscode.Disposable.from(
    lender,
    commands,
    mcp,
    // Other extensions bring tools, and take them along.
    vscode.extensions.onDidChange(changed),
    vscode.workspace.onDidGrantWorkspaceTrust(changed),
    vscode.workspace.onDidChangeWorkspaceFolders(changed),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const lent = [rulesSetting, acceptSetting, mapSetting, mcpSetting, offerSetting];
      if (lent.some((name) => event.affectsConfiguration(`devlm.${name}`))) changed();
    }),
  );
  return {
    stopCommands: async () => (await commands.stopAll()).stopped,
    dispose: () => disposables.dispose(),
  };
}

/** What the window says of itself. */
function helloOf(windowId: string, projectId: string, shell?: CommandShell): EditorHello {
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
    ...(accepts ? { acceptsEdits: true } : {}),
    rules: {
      // What cannot be read is handed on as it is: the server then allows nothing by it.
      user: accepts && Array.isArray(own) ? [...own, acceptEdits] : own,
      workspace: plain(rules?.workspaceValue),
    },
    ...(shell ? { shell } : {}),
    mapTokens: mapTokens(),
  };
}

/** The setting as it can be used: people write any number into it. */
function mapTokens(): number {
  const wanted = vscode.workspace.getConfiguration('devlm').get<unknown>(mapSetting);
  return typeof wanted === 'number' ? Math.round(Math.min(limits.mapTokens, Math.max(0, wanted || 0))) : 0;
}

/** What answers requests about these folders. */
export function workspaceHandlers(options: {
  readonly folders: () => readonly Folder[];
  readonly trusted: () => boolean;
  /** Folder of the editor, in which its ripgrep is sought. Default: this editor's. */
  readonly appRoot?: string;
  /** Default: its own. */
  readonly commands?: Commands;
}): Handlers {
  const { folders, trusted, commands = new Commands() } = options;
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
    'tool.call': callOffered,
    diagnostics: async ({ paths }) => {
      const places = await Promise.all(paths.map((path) => filePlace(path, folders())));
      const uris = paths.length === 0 ? null : places.map(({ uri }) => uri);
      return { items: diagnosticsNow(uris, folders()) };
    },
    symbols: async (asked) => await symbolsNamed(asked, folders()),
    ...commandHandlers({ commands, folders, trusted }),
  };
}

/** JSON of a setting, whose values the editor may hand out as proxies. */
function plain(value: unknown): EditorHello['rules']['user'] {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
