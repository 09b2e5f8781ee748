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
import { CommandRunner } from './commands/command-runner.ts';
import { commandHandlers } from './commands/handlers.ts';
import { diagnosticsNow } from './diagnostics.ts';
import { listFiles } from './list.ts';
import { type Folder, filePlace, placeOf, workspaceFolders } from './places.ts';
import { snapshotFile } from './read.ts';
import type { Handlers } from './requests.ts';
import { findRipgrep } from './ripgrep.ts';
import { searchFiles } from './search.ts';
import { symbolsNamed } from './symbols.ts';
import { WorkspaceSharing } from './workspace-sharing.ts';

/** Options of `shareWorkspace`. */
export interface ShareOptions {
  readonly connection: ServerConnection;
  readonly projectId: () => string | null;
  readonly problems: Problems;
  readonly log: Log;
}

/** Setting with the permission rules, below `devlm`. */
const rulesSetting = 'permissions';

/** Setting with the size of the repository map, below `devlm`. */
const mapSetting = 'repositoryMapTokens';

/** Setting that allows file edits without a question, below `devlm`. Only the user's own value counts. */
const acceptSetting = 'acceptEdits';
const acceptEdits = { verdict: 'allow', tool: '*', path: '**' };

/** A workspace that is shared with the agent until it is disposed of. */
export interface SharedWorkspace extends vscode.Disposable {
  /** Stops the commands that run in this window. Returns their number. */
  stopCommands(): Promise<number>;
}

/** Shares this window's workspace with the agent until the result is disposed of. */
export function shareWorkspace({ connection, projectId, problems, log }: ShareOptions): SharedWorkspace {
  const windowId = randomUUID();
  const commands = new CommandRunner();
  const handlers = workspaceHandlers({
    folders: workspaceFolders,
    trusted: () => vscode.workspace.isTrusted,
    commands,
  });
  const mcp = new McpFiles(log, () => sharing.changed());
  const sharing = new WorkspaceSharing({
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
  const changed = () => sharing.changed();
  const disposables = vscode.Disposable.from(
    sharing,
    commands,
    mcp,
    // Other extensions can add and remove tools.
    vscode.extensions.onDidChange(changed),
    vscode.workspace.onDidGrantWorkspaceTrust(changed),
    vscode.workspace.onDidChangeWorkspaceFolders(changed),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const shared = [rulesSetting, acceptSetting, mapSetting, mcpSetting, offerSetting];
      if (shared.some((name) => event.affectsConfiguration(`devlm.${name}`))) changed();
    }),
  );
  return {
    stopCommands: async () => (await commands.stopAll()).stopped,
    dispose: () => disposables.dispose(),
  };
}

/** Returns the description of this window and its workspace. */
function helloOf(windowId: string, projectId: string, shell?: CommandShell): EditorHello {
  const settings = vscode.workspace.getConfiguration('devlm');
  const rules = settings.inspect<unknown>(rulesSetting);
  const userRules = toPlainJson(rules?.globalValue) ?? [];
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
      // Invalid rules are passed on unchanged: the server then allows nothing by them.
      user: accepts && Array.isArray(userRules) ? [...userRules, acceptEdits] : userRules,
      workspace: toPlainJson(rules?.workspaceValue),
    },
    ...(shell ? { shell } : {}),
    mapTokens: mapTokens(),
  };
}

/** Returns the setting as a valid number, because users can enter any value. */
function mapTokens(): number {
  const wanted = vscode.workspace.getConfiguration('devlm').get<unknown>(mapSetting);
  return typeof wanted === 'number' ? Math.round(Math.min(limits.mapTokens, Math.max(0, wanted || 0))) : 0;
}

/** Returns the handlers of workspace requests for these folders. */
export function workspaceHandlers(options: {
  readonly folders: () => readonly Folder[];
  readonly trusted: () => boolean;
  /** Installation folder of the editor, which contains ripgrep. Default: this editor's. */
  readonly appRoot?: string;
  /** Default: a new instance. */
  readonly commands?: CommandRunner;
}): Handlers {
  const { folders, trusted, commands = new CommandRunner() } = options;
  let ripgrep: Promise<string | undefined> | undefined;
  return {
    read: async ({ path }) => {
      const place = await placeOf(path, folders());
      return place ? (await snapshotFile(place)).file : { kind: 'folder' };
    },
    apply: async ({ changes }, signal) =>
      await applyChanges(changes, { folders: folders(), trusted: trusted(), signal }),
    list: async (request, signal) => await listFiles(request, folders(), signal),
    search: async (request, signal) => {
      ripgrep ??= findRipgrep(options.appRoot ?? vscode.env.appRoot);
      return await searchFiles(request, folders(), await ripgrep, signal);
    },
    'tool.call': callOffered,
    diagnostics: async ({ paths }) => {
      const places = await Promise.all(paths.map((path) => filePlace(path, folders())));
      const uris = paths.length === 0 ? null : places.map(({ uri }) => uri);
      return { items: diagnosticsNow(uris, folders()) };
    },
    symbols: async (request) => await symbolsNamed(request, folders()),
    ...commandHandlers({ commands, folders, trusted }),
  };
}

/** Returns a plain copy of a setting, because the editor may return proxies. */
function toPlainJson(value: unknown): EditorHello['rules']['user'] {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
