import { homedir } from 'node:os';
import { basename, sep } from 'node:path';
import type { EditorHello } from '@devlm/protocol/editor.ts';
import { type ParseError, parse } from 'jsonc-parser';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { Log } from '../ports.ts';
import { isMissing } from '../workspace/read.ts';

/** Files that list the MCP servers of a workspace, in each of its folders. */
const configurationFiles = ['.vscode/mcp.json', '.devlm/mcp.json'];
/** Maximum size of an MCP configuration file, in bytes. */
const maxFileBytes = 256 * 1024;
/** Maximum number of workspace folders that are read. */
const maxFolders = 20;
/** Time to wait for further changes before the files are read again, in milliseconds. */
const debounceMs = 200;

/** Setting with the user's own servers, below `devlm`. */
export const mcpSetting = 'mcp.servers';

type McpConfiguration = NonNullable<EditorHello['mcp']>;
const Json = z.json();

/** The MCP servers that this window configures. Workspace files are read again when they change. */
export class McpFiles implements vscode.Disposable {
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #watchers: vscode.Disposable[];
  #found: { path: string; content: z.infer<typeof Json> }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Log, changed: () => void) {
    this.#log = log;
    this.#changed = changed;
    const scheduleRead = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#read(), debounceMs);
    };
    const watcher = vscode.workspace.createFileSystemWatcher(
      '{**/.vscode,**/.devlm,**/.vscode/mcp.json,**/.devlm/mcp.json}',
    );
    this.#watchers = [
      watcher,
      watcher.onDidChange(scheduleRead),
      watcher.onDidCreate(scheduleRead),
      watcher.onDidDelete(scheduleRead),
      vscode.workspace.onDidChangeWorkspaceFolders(scheduleRead),
      vscode.workspace.onDidGrantWorkspaceTrust(scheduleRead),
    ];
    void this.#read();
  }

  /** Returns the current configuration. Files of an untrusted workspace are not read. */
  get mcp(): McpConfiguration {
    const userSetting = vscode.workspace.getConfiguration('devlm').inspect<unknown>(mcpSetting)?.globalValue;
    const user = Json.safeParse(userSetting === undefined ? {} : JSON.parse(JSON.stringify(userSetting))).data ?? null;
    const text = JSON.stringify([user, this.#found]);
    return { user, workspace: this.#found, variables: variablesIn(text) };
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.dispose();
  }

  async #read(): Promise<void> {
    const folders = vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []) : [];
    const found = await Promise.all(
      folders.slice(0, maxFolders).flatMap(({ uri, name }) =>
        configurationFiles.map(async (file) => {
          const content = await this.#content(vscode.Uri.joinPath(uri, file));
          return content === undefined ? [] : [{ path: `${name}/${file}`, content }];
        }),
      ),
    );
    this.#found = found.flat();
    this.#changed();
  }

  /** Returns the parsed file, undefined if it does not exist, or null if it cannot be read. */
  async #content(uri: vscode.Uri): Promise<z.infer<typeof Json> | undefined> {
    let bytes: Uint8Array;
    try {
      const { size } = await vscode.workspace.fs.stat(uri);
      if (size > maxFileBytes) return null;
      bytes = await vscode.workspace.fs.readFile(uri);
    } catch (error) {
      if (isMissing(error)) return undefined;
      this.#log.warn(`could not read ${uri.path}: ${String(error)}`);
      return null;
    }
    const errors: ParseError[] = [];
    const value: unknown = parse(new TextDecoder().decode(bytes), errors, { allowTrailingComma: true });
    return errors.length > 0 ? null : (Json.safeParse(value).data ?? null);
  }
}

/**
 * Returns the values of the variables in a configuration, as in VS Code's own files. Unknown variables are left out.
 */
function variablesIn(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [, name = ''] of text.matchAll(/\$\{([^}"\\]{1,300})\}/g)) {
    const value = variableValue(name);
    if (value !== undefined && value.length <= 32_768) values[name] = value;
  }
  return values;
}

function variableValue(name: string): string | undefined {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [kind, rest] = name.split(/:(.*)/s, 2);
  const folder = rest === undefined ? folders[0] : folders.find((candidate) => candidate.name === rest);
  switch (kind) {
    case 'workspaceFolder':
      return folder?.uri.fsPath;
    case 'workspaceFolderBasename':
      return folder && basename(folder.uri.fsPath);
    case 'userHome':
      return homedir();
    case 'pathSeparator':
    case '/':
      return sep;
    case 'env':
      return process.env[rest ?? ''];
    default:
      return undefined;
  }
}
