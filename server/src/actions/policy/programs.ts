/**
 * What is known of common programs, for judging a parsed command. Facts from the programs' own manuals.
 * The tables only ever add questions: a program that is in none of them is judged by the rules alone,
 * and asks while untrusted text is in the conversation.
 */

/** Change what later words of the same shell mean, or run text that cannot be seen. Nobody can allow them unseen. */
export const shellState: ReadonlySet<string> = new Set([
  'alias',
  'unalias',
  'bind',
  'complete',
  'compgen',
  'declare',
  'typeset',
  'local',
  'export',
  'readonly',
  'enable',
  'hash',
  'set',
  'shopt',
  'unset',
  'source',
  '.',
  'read',
  'mapfile',
  'readarray',
  'getopts',
  'let',
  'fc',
  'history',
]);

/** Variables that change how a program reports, not what it runs. Any other assignment is a question. */
export const harmlessVariables: ReadonlySet<string> = new Set([
  'CI',
  'COLORTERM',
  'DEBUG',
  'FORCE_COLOR',
  'LANG',
  'LC_ALL',
  'NODE_ENV',
  'NO_COLOR',
  'PORT',
  'PYTHONDONTWRITEBYTECODE',
  'PYTHONUNBUFFERED',
  'RUST_BACKTRACE',
  'RUST_LOG',
  'TERM',
  'TZ',
]);

/** Only read files of the workspace and say something: no network, no writes, no other programs. */
const readers: ReadonlySet<string> = new Set([
  ':',
  '[',
  'basename',
  'cat',
  'cd',
  'cmp',
  'comm',
  'cut',
  'date',
  'diff',
  'dirname',
  'du',
  'echo',
  'expr',
  'false',
  'file',
  'find',
  'fold',
  'grep',
  'egrep',
  'fgrep',
  'head',
  'id',
  'join',
  'ls',
  'md5sum',
  'nl',
  'od',
  'paste',
  'printf',
  'pwd',
  'readlink',
  'realpath',
  'rev',
  'rg',
  'seq',
  'sha1sum',
  'sha256sum',
  'sleep',
  'sort',
  'stat',
  'strings',
  'tac',
  'tail',
  'test',
  'tr',
  'tree',
  'true',
  'type',
  'uname',
  'uniq',
  'wc',
  'which',
  'whoami',
]);

/** Print what they find on the web. */
const webReaders: ReadonlySet<string> = new Set([
  'aria2c',
  'curl',
  'curlie',
  'elinks',
  'gh',
  'glab',
  'http',
  'https',
  'invoke-restmethod',
  'invoke-webrequest',
  'irm',
  'iwr',
  'links',
  'lynx',
  'w3m',
  'wget',
  'wget2',
  'xh',
  'xhs',
]);

/** Subcommands of git that only read the repository at hand. */
const gitReaders: ReadonlySet<string> = new Set([
  'blame',
  'cat-file',
  'describe',
  'diff',
  'log',
  'ls-files',
  'ls-tree',
  'merge-base',
  'rev-list',
  'rev-parse',
  'shortlog',
  'show',
  'status',
]);

/** Options by which a program that looks harmless runs another one, writes a file or leaves the project. */
const escapes: Readonly<Record<string, RegExp>> = {
  find: /^-(exec|execdir|ok|okdir|delete|fprint|fprint0|fprintf|fls)$/,
  fd: /^(-x|-X|--exec|--exec-batch)/,
  git: /^(-c|--config-env|--exec-path|--git-dir|--work-tree|-C|--output|--ext-diff|--textconv|--no-index|--upload-pack|--receive-pack|--open-files-in-pager|-O|--exec|-x|--filters|--contents|--paginate|-p$)/,
  grep: /^(-f|--file)/,
  rg: /^(--pre|--hostname-bin|-f$|--file|--search-zip|-z)/,
  sort: /^(-[a-zA-Z]*o|--output|--compress-program|-[a-zA-Z]*T|--temporary-directory|--files0-from)/,
  tree: /^-[a-zA-Z]*o/,
  npm: /^(--script-shell|--prefix|-C$|--userconfig|--globalconfig|--node-options|--shell|--scripts-prepend|--cache|--workspace-root|--location|-g$|--global)/,
  pnpm: /^(--script-shell|--dir|-C$|--shell|-c$|--config|--global|-g$)/,
  yarn: /^(--cwd|--use-yarnrc|--script-shell)/,
  node: /^(-e|--eval|-p|--print|-r|--require|--import|--loader|--experimental-loader|-i)/,
  python: /^-c/,
  python3: /^-c/,
  perl: /^-[a-zA-Z]*[eE]/,
  ruby: /^-[a-zA-Z]*e/,
  tar: /^(--to-command|--checkpoint-action|-I|--use-compress-program|--rsh-command|-F|--info-script|--new-volume-script)/,
  make: /^(--eval|-C|--directory|-f|--file|--makefile|SHELL=|MAKEFLAGS=)/,
  go: /^(-exec|-toolexec|-C|-overlay|-modfile|-vettool)/,
  cargo: /^(--config|--manifest-path|-C|-Z)/,
  date: /^(-s|--set|-f|--file)/,
  uniq: /^$/,
  sed: /^(-[a-zA-Z]*i|--in-place|-f|--file)/,
  du: /^--files0-from/,
  wc: /^--files0-from/,
  file: /^(-[a-zA-Z]*f|--files-from|-[a-zA-Z]*m|--magic-file|-C|--compile|-[a-zA-Z]*[zZS])/,
};

/** The name under which a program is known: `/usr/bin/Git.EXE` is `git`. */
export function programName(word: string): string {
  return (word.split(/[\\/]/).at(-1) ?? word).toLowerCase().replace(/\.(exe|cmd|bat|com)$/, '');
}

/** The first argument by which this program would do more than it looks like, if there is one. */
export function escapeOption(argv: readonly (string | null)[]): string | null {
  const [name, ...args] = argv;
  if (!name) return null;
  const pattern = escapes[programName(name)];
  return (pattern && args.find((arg): arg is string => arg !== null && pattern.test(arg))) ?? null;
}

/** Whether a command prints text of the web. */
export function readsWeb([name]: readonly (string | null)[]): boolean {
  return typeof name === 'string' && webReaders.has(programName(name));
}

/** Whether a command only reads the project: nothing of it can leave this machine or be lost by it. */
export function onlyReads(argv: readonly (string | null)[]): boolean {
  const [name, sub] = argv;
  if (!name || argv.includes(null) || escapeOption(argv) !== null) return false;
  // A program given by a path is whatever lies there.
  if (name !== programName(name)) return false;
  if (name === 'git') return typeof sub === 'string' && gitReaders.has(sub);
  if (name === 'uniq') return argv.slice(1).filter((arg) => !arg?.startsWith('-')).length < 2;
  if (name === 'find' || name === 'date') return true;
  return readers.has(name);
}

/** Programs whose output is what another machine said. */
const fetchers = new Set(
  'curl wget http https xh aria2c lynx w3m links elinks gh glab nc ncat netcat socat telnet ssh scp sftp ftp whois'.split(
    ' ',
  ),
);

/** Whether what a command prints comes from the network, as far as its name tells. */
export function fetchesText([name]: readonly (string | null)[]): boolean {
  return typeof name === 'string' && fetchers.has(programName(name));
}
