import { homedir } from 'node:os';
import { basename, sep } from 'node:path';
import type { EditorHello } from '@devlm/protocol/editor.ts';
import { type ParseError, parse } from 'jsonc-parser';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { Log } from '../ports.ts';

/** Where a workspace names its MCP servers, in each of its folders. */
const files = ['.vscode/mcp.json', '.devlm/mcp.json'];
/** Largest file that is read, bytes. */
const maxFileBytes = 256 * 1024;
/** Folders that are looked at. */
const maxFolders = 20;
/** Changes in quick succession are read once, milliseconds. */
const settleMs = 200;

/** The setting with the user's own servers, below `devlm`. */
export const mcpSetting = 'mcp.servers';

type Mcp = NonNullable<EditorHello['mcp']>;
const Json = z.json();

/** The MCP servers that this window names: read from files of the workspace, and again when they change. */
export class McpFiles implements vscode.Disposable {
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #watchers: vscode.Disposable[];
  #found: { path: string; content: z.infer<typeof Json> }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Log, changed: () => void) {
    this.#log = log;
    this.#changed = changed;
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#read(), settleMs);
    };
    const watcher = vscode.workspace.createFileSystemWatcher(
      '{**/.vscode,**/.devlm,**/.vscode/mcp.json,**/.devlm/mcp.json}',
    );
    this.#watchers = [
      watcher,
      watcher.onDidChange(soon),
      watcher.onDidCreate(soon),
      watcher.onDidDelete(soon),
      vscode.workspace.onDidChangeWorkspaceFolders(soon),
      vscode.workspace.onDidGrantWorkspaceTrust(soon),
    ];
    void this.#read();
  }

  /** What is known now. Files of a workspace that is not trusted are not even read. */
  get mcp(): Mcp {
    const own = vscode.workspace.getConfiguration('devlm').inspect<unknown>(mcpSetting)?.globalValue;
    const user = Json.safeParse(own === undefined ? {} : JSON.parse(JSON.stringify(own))).data ?? null;
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
        files.map(async (file) => {
          const content = await this.#content(vscode.Uri.joinPath(uri, file));
          return content === undefined ? [] : [{ path: `${name}/${file}`, content }];
        }),
      ),
    );
    this.#found = found.flat();
    this.#changed();
  }

  /** Undefined: there is no such file. Null: it cannot be read. */
  async #content(uri: vscode.Uri): Promise<z.infer<typeof Json> | undefined> {
    let bytes: Uint8Array;
    try {
      const { size } = await vscode.workspace.fs.stat(uri);
      if (size > maxFileBytes) return null;
      bytes = await vscode.workspace.fs.readFile(uri);
    } catch (error) {
      if (!(error instanceof vscode.FileSystemError && error.code === 'FileNotFound')) {
        this.#log.warn(`${uri.path}: ${String(error)}`);
        return null;
      }
      return undefined;
    }
    const errors: ParseError[] = [];
    const value: unknown = parse(new TextDecoder().decode(bytes), errors, { allowTrailingComma: true });
    return errors.length > 0 ? null : (Json.safeParse(value).data ?? null);
  }
}

/** What the variables in a configuration stand for, as in VS Code's own files; ones that are not known are left out. */
function variablesIn(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = ''] of text.matchAll(/\$\{([^}"\\]{1,300})\}/g)) {
    const value = meaningOf(name);
    if (value !== undefined && value.length <= 32_768) found[name] = value;
  }
  return found;
}

function meaningOf(name: string): string | undefined {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [kind, rest] = name.split(/:(.*)/s, 2);
  const folder = rest === undefined ? folders[0] : folders.find((one) => one.name === rest);
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
