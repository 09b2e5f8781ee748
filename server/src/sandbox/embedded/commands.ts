import type { Job } from '../sandbox.ts';
import type { JobHead } from './child/frames.ts';

/** Part of a job for an interpreter without a shell and without other programs. */
export type InterpreterCall = Pick<JobHead, 'program' | 'args' | 'include' | 'require'>;

/** Returns the plan for a job's command, or a sentence that says why the interpreters cannot run it. */
export function planOf(job: Job): InterpreterCall | string {
  if (job.run.kind === 'entry') {
    return { program: { kind: 'file', path: job.run.entry }, args: job.run.args, include: [], require: [] };
  }
  const [name = '', ...rest] = job.run.command;
  const program = name.slice(name.lastIndexOf('/') + 1);
  const read = readers[program];
  if (!read?.languages.includes(job.language)) return needsDocker(`the command ${program}`);
  return read.plan(rest);
}

/** Returns the message for a program that only a container can run. */
export function needsDocker(what: string): string {
  return `The embedded engine cannot run ${what}. It only has Python, JavaScript, TypeScript and Ruby, and no other programs. Install and start Docker.`;
}

/** Parser of an interpreter's command line. */
interface CommandLineReader {
  readonly languages: readonly string[];
  plan(args: readonly string[]): InterpreterCall | string;
}

const python: CommandLineReader = {
  languages: ['python'],
  plan: (args) =>
    readArguments(args, (flag, value) => {
      if (flag === '-c') return { kind: 'code', code: value };
      if (flag === '-m') return value === 'pytest' ? needsDocker('pytest') : { kind: 'module', name: value };
      return null;
    }),
};

const node: CommandLineReader = {
  languages: ['javascript', 'typescript'],
  plan(args) {
    const tests = args.includes('--test');
    const paths = args.filter((arg) => !arg.startsWith('--'));
    if (tests) return { program: { kind: 'tests', paths: paths }, args: [], include: [], require: [] };
    return readArguments(args, (flag, value) =>
      flag === '-e' || flag === '--eval' ? { kind: 'code', code: value } : null,
    );
  },
};

const ruby: CommandLineReader = {
  languages: ['ruby'],
  plan(args) {
    const include: string[] = [];
    const require: string[] = [];
    const rest: string[] = [];
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] ?? '';
      const list = arg.startsWith('-I') ? include : arg.startsWith('-r') ? require : null;
      if (!list) {
        rest.push(...args.slice(i));
        break;
      }
      list.push(...(arg.length > 2 ? arg.slice(2) : (args[++i] ?? '')).split(list === include ? ':' : '\0'));
    }
    const plan = readArguments(rest, (flag, value) => (flag === '-e' ? { kind: 'code', code: value } : null));
    return typeof plan === 'string' ? plan : { ...plan, include, require };
  },
};

const readers: Readonly<Record<string, CommandLineReader>> = {
  python,
  python3: python,
  node,
  ruby,
  pytest: { languages: ['python'], plan: () => needsDocker('pytest') },
};

/** Parses arguments. Unknown flags are skipped, and the first argument that is not a flag is the file. */
function readArguments(
  args: readonly string[],
  special: (flag: string, value: string) => InterpreterCall['program'] | string | null,
): InterpreterCall | string {
  for (const [i, arg] of args.entries()) {
    const program = special(arg, args[i + 1] ?? '');
    if (typeof program === 'string') return program;
    if (program) return { program, args: args.slice(i + 2), include: [], require: [] };
    if (arg.startsWith('-') && arg !== '-') continue;
    return { program: { kind: 'file', path: relative(arg) }, args: args.slice(i + 1), include: [], require: [] };
  }
  return needsDocker('an interactive interpreter');
}

function relative(path: string): string {
  return path.replace(/^\/sandbox\//, '').replace(/^(\.\/)+/, '');
}
