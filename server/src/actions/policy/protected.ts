/**
 * Files that take effect merely by existing: their content runs, or decides what runs, without anyone starting it.
 * DevLM always asks before it writes one. The names come from the documentation of the tools that read them.
 */

/** Names of protected folders, at any position in a path. */
const folders = new Set([
  '.git',
  '.devlm',
  '.vscode',
  '.vscode-server',
  '.idea',
  '.fleet',
  '.zed',
  '.cursor',
  '.claude',
  '.devcontainer',
  '.circleci',
  '.buildkite',
  '.teamcity',
  '.woodpecker',
  '.forgejo',
  '.gitea',
  '.husky',
  '.githooks',
  '.git-hooks',
  '.lefthook',
  '.yarn',
  '.cargo',
  '.bundle',
  '.mvn',
  '.ssh',
  '.gnupg',
  '.aws',
  '.azure',
  '.kube',
  '.docker',
  '.direnv',
  '.mise',
]);

/** Names of protected files, in any folder. */
const files = new Set([
  // Shells and sessions.
  ...['.bashrc', '.bash_profile', '.bash_login', '.bash_logout', '.bash_aliases', '.profile', '.inputrc'],
  ...['.zshrc', '.zshenv', '.zprofile', '.zlogin', '.zlogout', '.kshrc', '.mkshrc', '.cshrc', '.tcshrc', '.login'],
  ...['.xprofile', '.xinitrc', '.xsession', '.pam_environment', 'config.fish', 'profile.ps1', '.envrc'],
  ...['microsoft.powershell_profile.ps1', 'microsoft.vscode_profile.ps1'],
  // Git and credentials.
  ...['.gitconfig', '.gitmodules', '.gitattributes', '.netrc', '_netrc', '.git-credentials', '.pgpass'],
  // Continuous integration.
  ...['.gitlab-ci.yml', '.gitlab-ci.yaml', 'jenkinsfile', '.travis.yml', '.travis.yaml', 'azure-pipelines.yml'],
  ...['azure-pipelines.yaml', 'bitbucket-pipelines.yml', '.drone.yml', '.drone.yaml', 'appveyor.yml', '.appveyor.yml'],
  ...['.woodpecker.yml', '.woodpecker.yaml', 'cloudbuild.yaml', 'cloudbuild.yml', 'buildspec.yml', 'wercker.yml'],
  ...['.cirrus.yml', '.semaphore.yml', 'codemagic.yaml', 'vercel.json', 'netlify.toml'],
  // Hooks and settings of package managers and commit tools.
  ...['.npmrc', '.yarnrc', '.yarnrc.yml', '.pnpmfile.cjs', '.pnpmfile.mjs', 'pnpmfile.js', 'pnpm-workspace.yaml'],
  ...['bunfig.toml', '.pypirc', 'pip.conf', 'pip.ini', '.gemrc', '.condarc', 'nuget.config', 'binding.gyp'],
  ...['lefthook.yml', 'lefthook.yaml', '.lefthook.yml', '.pre-commit-config.yaml', '.pre-commit-hooks.yaml'],
  ...['.huskyrc', '.huskyrc.json', '.lintstagedrc', '.lintstagedrc.json', '.lintstagedrc.js', '.overcommit.yml'],
  ...['.tool-versions', 'mise.toml', '.mise.toml', 'sitecustomize.py', 'usercustomize.py', '.pdbrc', '.gdbinit'],
  ...['.mcp.json', '.envrc.local', '.vimrc', '.exrc', '.nvimrc', '.emacs', '.dir-locals.el', 'desktop.ini'],
]);

/** Protected paths of several segments. */
const prefixes = [
  '.github/workflows',
  '.github/actions',
  '.gitlab/ci',
  '.azure-pipelines',
  '.config/fish',
  '.config/systemd',
  '.config/autostart',
  '.config/mise',
  '.config/git',
];

/**
 * Endings of protected files: a workspace file opens a window with its own settings and tasks, Python runs `.pth`
 * files.
 */
const endings = ['.code-workspace', '.pth'];

/** Returns why DevLM always asks before a change to this path, as the words after "because", or null if it does not. */
export function protectedBecause(path: string): string | null {
  const segments = path
    .split(/[\\/]+/)
    .map(folded)
    .filter((segment) => segment !== '' && segment !== '.');
  if (segments.length === 0) return 'it is the workspace folder itself';
  for (const segment of segments) {
    // Windows gives `.git` such a short name.
    if (folders.has(segment) || /^git~\d+$/.test(segment)) return `files in "${segment}" can run automatically`;
  }
  const last = segments.at(-1) ?? '';
  if (files.has(last) || endings.some((ending) => last.endsWith(ending))) {
    return `a file named "${last}" can run code automatically`;
  }
  const whole = segments.join('/');
  for (const prefix of prefixes) {
    // Anywhere in the path: a workspace may hold several projects, or be a home folder.
    if (`/${whole}/`.includes(`/${prefix}/`)) return `files in "${prefix}" can run automatically`;
    const [top] = prefix.split('/');
    if (last === top && top !== '.config') return `it contains "${prefix}", whose files can run automatically`;
  }
  return null;
}

/**
 * Returns a name as the least strict file systems see it: no case, invisible characters, stream name or trailing dots.
 */
function folded(segment: string): string {
  const plain = segment
    .normalize('NFKC')
    .replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, '')
    .toLowerCase();
  const name = plain.replace(/:.*$/s, '');
  return name === '.' || name === '..' ? name : name.replace(/[. ]+$/, '');
}
