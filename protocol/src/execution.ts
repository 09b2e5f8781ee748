import * as z from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * Running a program in the sandbox: the request, what is heard while it runs, and the record that
 * stays. The record is DevLM's receipt: whatever is said about a program was read from one.
 */

/** What the sandbox can run. Which of them an engine has is in `SandboxStatus`. */
export const languages = [
  'python',
  'javascript',
  'typescript',
  'go',
  'ruby',
  'bash',
  'c',
  'cpp',
  'rust',
  'java',
] as const;
export const Language = z.enum(languages);
export type Language = z.infer<typeof Language>;

const aliases: Readonly<Record<string, Language>> = {
  py: 'python',
  python3: 'python',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  node: 'javascript',
  nodejs: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  golang: 'go',
  rb: 'ruby',
  sh: 'bash',
  shell: 'bash',
  'c++': 'cpp',
  cxx: 'cpp',
  rs: 'rust',
};

/** The language that a name, an alias or the tag of a code block stands for; null when it is none of ours. */
export function languageOf(name: string): Language | null {
  const lower = name.trim().toLowerCase();
  const known = Language.safeParse(lower);
  if (known.success) return known.data;
  return Object.hasOwn(aliases, lower) ? (aliases[lower] ?? null) : null;
}

const LanguageName = z
  .string()
  .max(32)
  .transform((name, context) => {
    const language = languageOf(name);
    if (language) return language;
    context.addIssue({ code: 'custom', message: `expected one of ${languages.join(', ')}` });
    return z.NEVER;
  });

/** Relative to the working folder, with `/` between names. No name may be empty, `.` or `..`. */
const FilePath = z
  .string()
  .min(1)
  .max(512)
  .refine(
    (path) =>
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
      !/[\x00-\x1f\x7f\\]/.test(path) &&
      path.split('/').every((name) => name !== '' && name !== '.' && name !== '..' && name.length <= 255),
    'expected a relative path without empty, . or .. parts, backslashes or control characters',
  );

const Argument = z
  .string()
  .max(limits.executionArgumentChars)
  .refine((text) => !text.includes('\0'), 'must not contain U+0000');

export const SourceFile = z.object({
  path: FilePath,
  content: z.string(),
  encoding: z.enum(['utf8', 'base64']).default('utf8'),
});
export type SourceFile = z.infer<typeof SourceFile>;

/** Bounds of one run. What a request leaves out comes from the language; the server caps the rest. */
export const ExecutionLimits = z.object({
  /** MiB, swap included; what the program writes to its memory file systems counts. */
  memoryMb: z.int().min(6).max(65_536),
  /** Share of the processors; 0.5 is half of one. */
  cpus: z.number().min(0.05).max(256),
  /** Milliseconds from the start of the program to its end by force. */
  wallMs: z.int().min(50).max(3_600_000),
  /** Processes and threads at one time. */
  processes: z.int().min(1).max(32_768),
  /** Bytes that are kept of both outputs together; the run ends when there are more. */
  outputBytes: z.int().min(0).max(limits.executionOutputBytes),
  /** Bytes of the largest file that it may write. */
  fileBytes: z
    .int()
    .min(0)
    .max(limits.executionArtifactBytes * 64),
});
export type ExecutionLimits = z.infer<typeof ExecutionLimits>;

/** Where in a chat a program came from, so that its receipt is found again. */
export const ExecutionOrigin = z.object({
  conversationId: Id,
  turnId: Id,
  /** Names the place within the turn, for example a code block by its order. */
  part: z.string().max(64),
});
export type ExecutionOrigin = z.infer<typeof ExecutionOrigin>;

export const ExecutionRequest = z
  .object({
    /** Made by the caller, so that a run can be cancelled and a lost answer asked for again. */
    id: Id,
    language: LanguageName,
    /** One file, named as the language wants it. */
    source: z.string().max(limits.executionInputBytes).optional(),
    files: z.array(SourceFile).max(limits.executionFiles).default([]),
    /** Which of the files to run. Default: the source, or the language's usual name. */
    entry: FilePath.optional(),
    /** Instead of an entry: a program and its arguments, run in the working folder. */
    command: z.array(Argument).min(1).max(64).optional(),
    stdin: z.string().default(''),
    args: z.array(Argument).max(64).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), Argument).default({}),
    limits: ExecutionLimits.partial().default({}),
    /** `none`, or the hosts that it may reach. */
    network: z
      .union([z.literal('none'), z.object({ allow: z.array(z.string().min(1).max(253)).min(1).max(32) })])
      .default('none'),
    /** An earlier record of the same program, input and limits will do. */
    reuse: z.boolean().default(false),
    /**
     * The user accepts that this machine cannot cut the network from the embedded engine. A server for
     * several people refuses it: `open_network_forbidden`.
     */
    acceptOpenNetwork: z.boolean().default(false),
    origin: ExecutionOrigin.optional(),
  })
  .refine((request) => request.source !== undefined || request.files.length > 0 || request.command !== undefined, {
    message: 'needs source, files or command',
    path: ['source'],
  })
  .refine((request) => Object.keys(request.env).length <= 64, { message: 'has more than 64 variables', path: ['env'] });
export type ExecutionRequest = z.infer<typeof ExecutionRequest>;

export const ExecutionStatus = z.enum([
  /** Ended by itself with exit code 0. */
  'ok',
  /** Ended by itself with another exit code, or by a signal. */
  'failed',
  'timeout',
  /** It, or a process that it started, was ended because the memory was used up. */
  'out-of-memory',
  'output-limit',
  'cancelled',
  /** The engine could not run it, or lost it; `message` says what to do. */
  'engine-error',
]);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

export const OutputStream = z.enum(['stdout', 'stderr']);
export type OutputStream = z.infer<typeof OutputStream>;

export const Artifact = z.object({
  /** Relative to `/sandbox/out`. */
  path: z.string(),
  bytes: z.int().min(0),
  sha256: z.string(),
  /** Base64. */
  data: z.string(),
});
export type Artifact = z.infer<typeof Artifact>;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const ExecutionEngine = z.object({
  kind: z.enum(['docker', 'embedded']),
  /** What runs it, for example `runc`, `runsc`, `pyodide 314.0.0`. */
  runtime: z.string(),
  /** False: this platform could not cut the network from the program. */
  networkCut: z.boolean(),
  /** It was waiting, started, before the request came. */
  warm: z.boolean(),
});
export type ExecutionEngine = z.infer<typeof ExecutionEngine>;

export const ExecutionRecord = z.object({
  id: Id,
  status: ExecutionStatus,
  /** Null when it did not end by itself. As shells give it: 128 and the number for a signal. */
  exitCode: z.int().nullable(),
  /** For example `SIGSEGV`. */
  signal: z.string().nullable(),
  /** A sentence for a person, where the status alone does not say what to do. */
  message: z.string().nullable(),
  language: Language,
  /** What was run, in the working folder. */
  command: z.array(z.string()),
  stdout: z.string(),
  stderr: z.string(),
  /** The order in which the two arrived: take so many UTF-16 code units of the one, then of the other. */
  order: z.array(z.object({ stream: OutputStream, chars: z.int().min(1) })),
  truncated: z.object({ stdout: z.boolean(), stderr: z.boolean() }),
  artifacts: z.array(Artifact),
  /** More was written than is kept. */
  artifactsTruncated: z.boolean(),
  limits: ExecutionLimits,
  /** Milliseconds it waited for its turn. */
  queuedMs: z.number().min(0),
  /** Milliseconds from the start of the program to its end. */
  wallMs: z.number().min(0),
  /** Milliseconds of processor time; null where the engine could not tell. */
  cpuMs: z.number().min(0).nullable(),
  /** Bytes; null where the engine could not tell. */
  peakMemoryBytes: z.int().min(0).nullable(),
  /** Null: it never came to an engine. */
  engine: ExecutionEngine.nullable(),
  image: z.object({ name: z.string(), digest: z.string() }).nullable(),
  /** SHA-256 of all that decides what the program does: files, command, input, variables, limits. */
  inputHash: Sha256,
  /** SHA-256 of files, command and input alone: where the program is kept. */
  programHash: Sha256,
  inputs: z.array(z.object({ path: z.string(), bytes: z.int().min(0), sha256: Sha256 })),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  origin: ExecutionOrigin.nullable(),
  /** This record was made earlier, for the run with this id. */
  reusedFrom: Id.nullable(),
});
export type ExecutionRecord = z.infer<typeof ExecutionRecord>;

/** What is heard of a run, in this order; nothing follows `ended`, and it always comes. */
export const ExecutionEvent = z.discriminatedUnion('type', [
  /** Others are before it. */
  z.object({ type: z.literal('queued'), before: z.int().min(0) }),
  /** What it waits for, such as an image that is pulled. `fraction` from 0 to 1 where it is known. */
  z.object({ type: z.literal('preparing'), message: z.string(), fraction: z.number().min(0).max(1).nullable() }),
  z.object({ type: z.literal('started'), engine: ExecutionEngine }),
  z.object({ type: z.literal('output'), stream: OutputStream, text: z.string() }),
  z.object({ type: z.literal('ended'), record: ExecutionRecord }),
]);
export type ExecutionEvent = z.infer<typeof ExecutionEvent>;

/** A run as it is found by its id. */
export const Execution = z.object({
  id: Id,
  state: z.enum(['queued', 'running', 'ended']),
  /** Null until it has ended. */
  record: ExecutionRecord.nullable(),
});
export type Execution = z.infer<typeof Execution>;

/** What can be run here, and how. */
export const SandboxStatus = z.object({
  /** Null: nothing can be run; `message` says what to do. */
  engine: z.enum(['docker', 'embedded']).nullable(),
  /** A sentence: which engine, or why not. */
  message: z.string(),
  /** False: a person has to agree before the first run (`acceptOpenNetwork`). */
  networkCut: z.boolean(),
  languages: z.array(
    z.object({
      language: Language,
      /** `missing`: it comes with the first run (an image, a runtime), which takes longer. */
      state: z.enum(['ready', 'missing', 'unavailable']),
      /** The image or the runtime. */
      runs: z.string(),
      message: z.string().nullable(),
    }),
  ),
});
export type SandboxStatus = z.infer<typeof SandboxStatus>;

/** A program as it is kept, without its variables: they may be secrets. */
export const Snippet = z.object({
  language: Language,
  entry: z.string().nullable(),
  command: z.array(z.string()),
  files: z.array(SourceFile),
  stdin: z.string(),
});
export type Snippet = z.infer<typeof Snippet>;

/** The record with no more than the first so many characters of its output. */
export function cutOutput(record: ExecutionRecord, chars: number): ExecutionRecord {
  if (record.stdout.length + record.stderr.length <= chars) return record;
  const kept = { stdout: '', stderr: '' };
  const order: ExecutionRecord['order'] = [];
  let left = chars;
  for (const { stream, text } of outputOf(record)) {
    if (left === 0) break;
    const part = text.slice(0, left);
    left -= part.length;
    kept[stream] += part;
    order.push({ stream, chars: part.length });
  }
  const truncated = {
    stdout: record.truncated.stdout || kept.stdout.length < record.stdout.length,
    stderr: record.truncated.stderr || kept.stderr.length < record.stderr.length,
  };
  return { ...record, ...kept, order, truncated };
}

/** Both outputs of a record in the order in which they arrived. */
export function outputOf(
  record: Pick<ExecutionRecord, 'stdout' | 'stderr' | 'order'>,
): { stream: OutputStream; text: string }[] {
  const at = { stdout: 0, stderr: 0 };
  return record.order.map(({ stream, chars }) => {
    const text = record[stream].slice(at[stream], at[stream] + chars);
    at[stream] += chars;
    return { stream, text };
  });
}
