/**
 * Facts about common programs, taken from their manuals, by which a parsed command is judged. The tables only ever add
 * questions: a program that is in none of them is judged by the rules alone, and requires a question while the
 * conversation contains untrusted text.
 */

/**
 * Builtins that change the meaning of later words in the shell, or run text that is not visible. Rules cannot allow
 * them.
 */
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

/** Variables that change how a program reports, not what it runs. Any other assignment requires a question. */
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

/** Programs that only read files of the workspace and print: no network, no writes, no other programs. */
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

/** Programs that print content from the web. */
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

/** Subcommands of git that only read the current repository. */
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

/** Options by which a program that looks harmless runs another program, writes a file or leaves the project. */
const escapeOptions: Readonly<Record<string, RegExp>> = {
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

/** Returns the normalized name of a program: `git` for `/usr/bin/Git.EXE`. */
export function programName(word: string): string {
  return (word.split(/[\\/]/).at(-1) ?? word).toLowerCase().replace(/\.(exe|cmd|bat|com)$/, '');
}

/** Returns the first argument that makes a program do more than it appears to, or null if there is none. */
export function escapeOption(argv: readonly (string | null)[]): string | null {
  const [name, ...args] = argv;
  if (!name) return null;
  const pattern = escapeOptions[programName(name)];
  return (pattern && args.find((arg): arg is string => arg !== null && pattern.test(arg))) ?? null;
}

/** Returns whether a command prints content from the web. */
export function readsWeb([name]: readonly (string | null)[]): boolean {
  return typeof name === 'string' && webReaders.has(programName(name));
}

/** Returns whether a command only reads the project, so that it can neither send nor destroy anything. */
export function onlyReads(argv: readonly (string | null)[]): boolean {
  const [name, sub] = argv;
  if (!name || argv.includes(null) || escapeOption(argv) !== null) return false;
  // A program given by a path can be any file.
  if (name !== programName(name)) return false;
  if (name === 'git') return typeof sub === 'string' && gitReaders.has(sub);
  if (name === 'uniq') return argv.slice(1).filter((arg) => !arg?.startsWith('-')).length < 2;
  if (name === 'find' || name === 'date') return true;
  return readers.has(name);
}

/** Programs whose output comes from another machine. */
const fetchers = new Set(
  'curl wget http https xh aria2c lynx w3m links elinks gh glab nc ncat netcat socat telnet ssh scp sftp ftp whois'.split(
    ' ',
  ),
);

/** Returns whether the output of a command comes from the network, judged by the name of its program. */
export function fetchesText([name]: readonly (string | null)[]): boolean {
  return typeof name === 'string' && fetchers.has(programName(name));
}
