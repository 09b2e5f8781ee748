import * as vscode from 'vscode';
import { rankPaths } from './rank.ts';
import { displayPath } from './workspace-paths.ts';

/** Maximum number of files that are searched. */
const maxFiles = 20_000;
/** Maximum number of files without the editor's search, where each folder takes a call. */
const maxWalked = 5000;
/** Time for which the file list is reused, in milliseconds, because the user types several letters. */
const maxAgeMs = 15_000;
/** Maximum number of results. */
const maxResults = 30;

let cachedList: { readonly at: number; readonly paths: Promise<string[]> } | undefined;

/** Returns the matching workspace files, best first. Without a query, returns the open files. */
export async function findFiles(query: string): Promise<string[]> {
  const open = openPaths();
  if (query.trim() === '' && open.length > 0) return open.slice(0, maxResults);
  const paths = await allFiles();
  return rankPaths([...new Set([...open, ...paths])], query, maxResults);
}

/** Returns the matching workspace folders that contain files, best first. */
export async function findFolders(query: string): Promise<string[]> {
  const folders = new Set<string>();
  for (const path of await allFiles()) {
    // Stop at a folder that is already in the set: so are its parents.
    for (
      let end = path.lastIndexOf('/');
      end > 0 && !folders.has(path.slice(0, end));
      end = path.lastIndexOf('/', end - 1)
    )
      folders.add(path.slice(0, end));
  }
  return rankPaths([...folders].sort(), query, maxResults);
}

function allFiles(): Promise<string[]> {
  if (!cachedList || performance.now() - cachedList.at > maxAgeMs) {
    cachedList = { at: performance.now(), paths: listFiles() };
    cachedList.paths.catch(() => {
      cachedList = undefined;
    });
  }
  return cachedList.paths;
}

async function listFiles(): Promise<string[]> {
  const hidden = vscode.workspace.getConfiguration('search').get<Record<string, unknown>>('exclude', {});
  const patterns = Object.entries(hidden).filter(([, value]) => value === true);
  const exclude = [...excludedFolders.map((name) => `**/${name}/**`), ...patterns.map(([pattern]) => pattern)];
  let uris: vscode.Uri[] = [];
  try {
    uris = await vscode.workspace.findFiles('**/*', `{${[...new Set(exclude)].join(',')}}`, maxFiles);
  } catch {
    // Searching failed: fall back to the slower walk.
  }
  // Virtual workspaces may not support search.
  if (uris.length === 0) uris = await walk();
  return uris.map(displayPath).sort();
}

const excludedFolders: readonly string[] = ['node_modules', '.git'];

/** Returns the files below the workspace folders, level by level, at most `maxWalked`. */
async function walk(): Promise<vscode.Uri[]> {
  const files: vscode.Uri[] = [];
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri);
  for (let folder = folders.shift(); folder && files.length < maxWalked; folder = folders.shift()) {
    const current = folder;
    const entries = await vscode.workspace.fs.readDirectory(current).then(
      (found) => found,
      () => [],
    );
    for (const [name, type] of entries) {
      const uri = vscode.Uri.joinPath(current, name);
      if (type === vscode.FileType.File) files.push(uri);
      // Do not follow symbolic links, which may form a cycle.
      else if (type === vscode.FileType.Directory && !excludedFolders.includes(name)) folders.push(uri);
    }
  }
  return files.slice(0, maxWalked);
}

/** Returns the files that are open in tabs, the active one first. */
function openPaths(): string[] {
  const uris = vscode.window.tabGroups.all.flatMap((group) =>
    group.tabs.map((tab) => (tab.input instanceof vscode.TabInputText ? tab.input.uri : undefined)),
  );
  const active = vscode.window.activeTextEditor?.document.uri;
  const inWorkspace = [active, ...uris].filter((uri) => uri && vscode.workspace.getWorkspaceFolder(uri));
  return [...new Set(inWorkspace.map((uri) => (uri ? displayPath(uri) : '')))];
}
