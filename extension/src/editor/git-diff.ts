import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gitApi } from './git-extension.ts';

const run = promisify(execFile);

/** Maximum duration of a command in milliseconds, and maximum output in bytes. */
const bounds = { timeout: 15_000, maxBuffer: 16 * 1024 * 1024 } as const;
/**
 * Options that keep git read-only: it takes no locks, fetches nothing, and runs no program that a repository
 * configures.
 */
const safeOptions = ['--no-optional-locks', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'] as const;
const diffArgs = ['diff', '--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=dirty'] as const;
/** Candidates for the branch that a branch started from, the most likely first. */
const bases = ['origin/HEAD', 'origin/main', 'origin/master', 'main', 'master'] as const;

/** A git diff. */
export interface GitDiff {
  /** Name of the revision that the diff is relative to. */
  readonly base: string;
  readonly text: string;
}

/**
 * Returns the diff of the staged changes, or of the branch since it diverged from its base, using a fixed list of
 * arguments.
 *
 * @returns null if there is no repository or no base branch
 * @throws the error that git reports
 */
export async function gitDiff(of: 'staged' | 'branch', folder: string): Promise<GitDiff | null> {
  const git = await gitIn(folder);
  if ((await git(['rev-parse', '--is-inside-work-tree']).catch(() => '')).trim() !== 'true') return null;
  if (of === 'staged') return { base: 'HEAD', text: await git([...diffArgs, '--cached']) };
  const head = await commitOf(git, 'HEAD');
  for (const base of bases) {
    const commit = await commitOf(git, base.includes('/') ? `refs/remotes/${base}` : `refs/heads/${base}`);
    if (commit === null || head === null) continue;
    return { base, text: await git([...diffArgs, `${commit}...${head}`]) };
  }
  return null;
}

type RunGit = (args: readonly string[]) => Promise<string>;

async function gitIn(folder: string): Promise<RunGit> {
  const path = (await gitApi())?.git.path;
  const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_NO_LAZY_FETCH: '1', GIT_PAGER: 'cat', LC_ALL: 'C' };
  return async (args) => {
    const { stdout } = await run(path ?? 'git', [...safeOptions, ...args], {
      ...bounds,
      cwd: folder,
      env,
      windowsHide: true,
    });
    return stdout;
  };
}

/** Returns the commit id of a revision, or null if it does not exist. */
async function commitOf(git: RunGit, name: string): Promise<string | null> {
  const found = await git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`]).catch(() => '');
  return /^[0-9a-f]{40,64}$/.exec(found.trim())?.[0] ?? null;
}
