import { programName } from './programs.ts';

/** A word of a command; null if only the running shell knows it. */
export type CommandWord = string | null;

/** The commands that a command runs in turn. */
export type InnerCommand =
  | { readonly kind: 'none' }
  /** The command wraps another one; if `transparent`, it does not need its own rule. */
  | { readonly kind: 'argv'; readonly argv: readonly CommandWord[]; readonly transparent: boolean }
  | { readonly kind: 'script'; readonly script: string }
  | { readonly kind: 'several'; readonly inner: readonly InnerCommand[] }
  | { readonly kind: 'unknown'; readonly why: string };

const none: InnerCommand = { kind: 'none' };
const unknown = (why: string): InnerCommand => ({ kind: 'unknown', why });

/** Options of a wrapper command. */
interface Wrapper {
  /** Options that take no value. */
  readonly alone?: RegExp;
  /** Options whose value is the next word. */
  readonly valued?: RegExp;
  /** Number of words between the options and the command, such as the duration of `timeout`. */
  readonly operands?: number;
  /** Whether it adds nothing to what the inner command may do. */
  readonly transparent?: boolean;
}

const wrappers: Readonly<Record<string, Wrapper>> = {
  nohup: { transparent: true },
  time: { alone: /^-[pv]$/, transparent: true },
  nice: { alone: /^(-\d+|--adjustment=-?\d+|-n-?\d+)$/, valued: /^-n$/, transparent: true },
  ionice: { alone: /^-([ct]\d*|n\d)$/, valued: /^-[cn]$/, transparent: true },
  timeout: {
    alone: /^(-v|--verbose|--foreground|--preserve-status|--(kill-after|signal)=\w+|-[ks]\w+)$/,
    valued: /^-[ks]$/,
    operands: 1,
    transparent: true,
  },
  stdbuf: { alone: /^-[ioe][L0-9]+[KMG]?$/, valued: /^-[ioe]$/, transparent: true },
  setsid: { alone: /^-[cfw]$/ },
  sudo: { alone: /^-[AbEHnPSk]+$/, valued: /^-[ugCpT]$/ },
  doas: { alone: /^-n$/, valued: /^-u$/ },
  exec: { alone: /^-[cl]$/, valued: /^-a$/ },
  builtin: {},
  chroot: { operands: 1 },
  busybox: {},
  toybox: {},
  taskset: { operands: 1 },
  caffeinate: { alone: /^-[dimsu]+$/ },
  strace: { alone: /^-f+$/, valued: /^-[eop]$/ },
  unbuffer: { alone: /^-p$/ },
};

const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'ksh', 'mksh', 'ash', 'rbash', 'fish', 'csh', 'tcsh']);

/** Programs that run what they read elsewhere, or on another machine. */
const opaque = new Set([
  'watch',
  'parallel',
  'script',
  'su',
  'runuser',
  'ssh',
  'flock',
  'entr',
  'unshare',
  'nsenter',
  'systemd-run',
  'at',
  'batch',
  'crontab',
  'expect',
  'tmux',
  'screen',
  'gdb',
  'powershell',
  'pwsh',
  'cmd',
  'wsl',
  'osascript',
  'start',
  'coproc',
]);

/** Returns what a simple command runs in turn, as far as its words show it. */
export function innerOf(argv: readonly CommandWord[]): InnerCommand {
  const [name, ...args] = argv;
  if (!name) return none;
  const program = programName(name);
  if (program === 'eval') return joined(args, 'what "eval" runs');
  if (program === 'trap') return args.length < 2 ? none : joined(args.slice(0, 1), 'what "trap" runs');
  if (program === 'command') return commandBuiltinOf(args);
  if (program === 'env') return envOf(args);
  if (program === 'xargs') return xargsOf(args);
  if (program === 'find' || program === 'fd') return findOf(args);
  if (shells.has(program)) return shellOf(program, args);
  if (opaque.has(program)) return unknown(`what "${program}" runs`);
  const wrapper = Object.hasOwn(wrappers, program) ? wrappers[program] : undefined;
  return wrapper ? wrappedCommand(program, args, wrapper) : none;
}

function wrappedCommand(program: string, args: readonly CommandWord[], wrapper: Wrapper): InnerCommand {
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at];
    if (typeof arg !== 'string') return unknown(`what "${program}" runs`);
    if (arg === '--') {
      at++;
      break;
    }
    if (!arg.startsWith('-')) break;
    if (wrapper.valued?.test(arg)) at++;
    else if (!wrapper.alone?.test(arg)) return unknown(`what "${program} ${arg}" runs`);
  }
  const rest = args.slice(at + (wrapper.operands ?? 0));
  return rest.length === 0 ? none : { kind: 'argv', argv: rest, transparent: wrapper.transparent ?? false };
}

function commandBuiltinOf(args: readonly CommandWord[]): InnerCommand {
  if (args[0] === '-v' || args[0] === '-V') return none;
  return wrappedCommand('command', args, { transparent: true });
}

function envOf(args: readonly CommandWord[]): InnerCommand {
  // Assignments stay in front: the caller handles them like those before any command.
  return wrappedCommand('env', args, { alone: /^(-i|--ignore-environment|-u\w+|--unset=\w+)$/, valued: /^-u$/ });
}

function xargsOf(args: readonly CommandWord[]): InnerCommand {
  const inner = wrappedCommand('xargs', args, {
    alone: /^(-[0rtx]+|--null|--no-run-if-empty|-[nPLs]\d+|-I\S+|-d.+|--max-\w+=\d+)$/,
    valued: /^-[nPLsIdE]$/,
  });
  // The words that xargs appends come from its input.
  return inner.kind === 'argv' ? { ...inner, argv: [...inner.argv, null] } : inner;
}

function findOf(args: readonly CommandWord[]): InnerCommand {
  const inner: InnerCommand[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (typeof arg !== 'string' || !/^(-(exec|ok)(dir)?|-x|-X|--exec|--exec-batch)$/.test(arg)) continue;
    const end = args.findIndex((word, index) => index > at && (word === ';' || word === '+'));
    const words = args.slice(at + 1, end < 0 ? undefined : end);
    inner.push({
      kind: 'argv',
      argv: words.map((word) => (word?.includes('{}') ? null : word)),
      transparent: false,
    });
  }
  return inner.length === 0 ? none : { kind: 'several', inner };
}

function shellOf(program: string, args: readonly CommandWord[]): InnerCommand {
  const known = program === 'sh' || program === 'bash' || program === 'dash';
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (typeof arg !== 'string') return unknown(`what "${program}" runs`);
    if (/^-[eux]*c$/.test(arg)) {
      const script = args[at + 1];
      if (!known || typeof script !== 'string') return unknown(`what "${program} -c" runs`);
      return { kind: 'script', script };
    }
    if (!/^(-[eux]+|--norc|--noprofile|--posix)$/.test(arg)) return unknown(`what "${program} ${arg}" runs`);
  }
  // Without a script, a shell runs its input.
  return unknown(`what "${program}" reads from its input and runs`);
}

function joined(args: readonly CommandWord[], what: string): InnerCommand {
  const words = args.filter((arg): arg is string => arg !== null);
  return words.length === args.length ? { kind: 'script', script: words.join(' ') } : unknown(what);
}
