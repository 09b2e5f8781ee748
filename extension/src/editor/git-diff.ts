import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';

const run = promisify(execFile);

/** Longest wait for one command, milliseconds, and most that it may print, bytes. */
const bounds = { timeout: 15_000, maxBuffer: 16 * 1024 * 1024 } as const;
/** Reads only: no lock is taken, nothing is fetched, and no program that a repository's configuration names is run. */
const quiet = ['--no-optional-locks', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'] as const;
const plain = ['diff', '--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=dirty'] as const;
/** What a branch most likely came from. */
const bases = ['origin/HEAD', 'origin/main', 'origin/master', 'main', 'master'] as const;

/** Of the extension that comes with VS Code. */
interface GitExtension {
  getAPI(version: 1): { readonly git: { readonly path: string } };
}

export interface GitDiff {
  /** What the difference is from. */
  readonly base: string;
  readonly text: string;
}

/**
 * What is staged, or all that the branch adds to the one it came from, with a fixed list of arguments.
 *
 * @returns null where there is no repository, or no branch that it came from
 * @throws what git says
 */
export async function gitDiff(of: 'staged' | 'branch', folder: string): Promise<GitDiff | null> {
  const git = await gitIn(folder);
  if ((await git(['rev-parse', '--is-inside-work-tree']).catch(() => '')).trim() !== 'true') return null;
  if (of === 'staged') return { base: 'HEAD', text: await git([...plain, '--cached']) };
  const head = await commitOf(git, 'HEAD');
  for (const base of bases) {
    const commit = await commitOf(git, base.includes('/') ? `refs/remotes/${base}` : `refs/heads/${base}`);
    if (commit === null || head === null) continue;
    return { base, text: await git([...plain, `${commit}...${head}`]) };
  }
  return null;
}

type Git = (args: readonly string[]) => Promise<string>;

async function gitIn(folder: string): Promise<Git> {
  const extension = vscode.extensions.getExtension<GitExtension>('vscode.git');
  const path = await Promise.resolve(extension?.activate()).then(
    (git) => git?.getAPI(1).git.path,
    () => undefined,
  );
  const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_NO_LAZY_FETCH: '1', GIT_PAGER: 'cat', LC_ALL: 'C' };
  return async (args) => {
    const { stdout } = await run(path ?? 'git', [...quiet, ...args], {
      ...bounds,
      cwd: folder,
      env,
      windowsHide: true,
    });
    return stdout;
  };
}

/** Null where there is none of this name. */
async function commitOf(git: Git, name: string): Promise<string | null> {
  const found = await git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`]).catch(() => '');
  return /^[0-9a-f]{40,64}$/.exec(found.trim())?.[0] ?? null;
}
