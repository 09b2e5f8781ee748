import * as vscode from 'vscode';
import { rankPaths } from './rank.ts';
import { label } from './workspace-paths.ts';

/** Most files of a workspace that are looked through. */
const maxFiles = 20_000;
/** The same without the editor's search, which each folder is a call for. */
const maxWalked = 5000;
/** The list is used again for so long, because a person types several letters. */
const freshMs = 15_000;
const maxAnswers = 30;

let list: { readonly at: number; readonly paths: Promise<string[]> } | undefined;

/** Workspace files that match, best first; without a query those that are open. */
export async function findFiles(query: string): Promise<string[]> {
  const open = openPaths();
  if (query.trim() === '' && open.length > 0) return open.slice(0, maxAnswers);
  const paths = await allFiles();
  return rankPaths([...new Set([...open, ...paths])], query, maxAnswers);
}

/** Folders of the workspace that have files and match, best first. */
export async function findFolders(query: string): Promise<string[]> {
  const folders = new Set<string>();
  for (const path of await allFiles()) {
    // What is above a folder that is known is known too.
    for (
      let end = path.lastIndexOf('/');
      end > 0 && !folders.has(path.slice(0, end));
      end = path.lastIndexOf('/', end - 1)
    )
      folders.add(path.slice(0, end));
  }
  return rankPaths([...folders].sort(), query, maxAnswers);
}

function allFiles(): Promise<string[]> {
  if (!list || performance.now() - list.at > freshMs) {
    list = { at: performance.now(), paths: listFiles() };
    list.paths.catch(() => {
      list = undefined;
    });
  }
  return list.paths;
}

async function listFiles(): Promise<string[]> {
  const hidden = vscode.workspace.getConfiguration('search').get<Record<string, unknown>>('exclude', {});
  const patterns = Object.entries(hidden).filter(([, value]) => value === true);
  const exclude = [...unwanted.map((name) => `**/${name}/**`), ...patterns.map(([pattern]) => pattern)];
  let uris: vscode.Uri[] = [];
  try {
    uris = await vscode.workspace.findFiles('**/*', `{${[...new Set(exclude)].join(',')}}`, maxFiles);
  } catch {
    // The editor's own search does not work here; what follows is slower.
  }
  // Virtual workspaces may have no search.
  if (uris.length === 0) uris = await walk();
  return uris.map(label).sort();
}

const unwanted: readonly string[] = ['node_modules', '.git'];

/** All files below the workspace folders, level by level, at most `maxWalked`. */
async function walk(): Promise<vscode.Uri[]> {
  const files: vscode.Uri[] = [];
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri);
  for (let folder = folders.shift(); folder && files.length < maxWalked; folder = folders.shift()) {
    const parent = folder;
    const entries = await vscode.workspace.fs.readDirectory(parent).then(
      (found) => found,
      () => [],
    );
    for (const [name, type] of entries) {
      const uri = vscode.Uri.joinPath(parent, name);
      if (type === vscode.FileType.File) files.push(uri);
      // Not through links, which may lead in a circle.
      else if (type === vscode.FileType.Directory && !unwanted.includes(name)) folders.push(uri);
    }
  }
  return files.slice(0, maxWalked);
}

/** Files in the tabs, the active one first. */
function openPaths(): string[] {
  const uris = vscode.window.tabGroups.all.flatMap((group) =>
    group.tabs.map((tab) => (tab.input instanceof vscode.TabInputText ? tab.input.uri : undefined)),
  );
  const active = vscode.window.activeTextEditor?.document.uri;
  const inWorkspace = [active, ...uris].filter((uri) => uri && vscode.workspace.getWorkspaceFolder(uri));
  return [...new Set(inWorkspace.map((uri) => (uri ? label(uri) : '')))];
}
