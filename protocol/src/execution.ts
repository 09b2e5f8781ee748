import * as z from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * Running a program in the sandbox: the request, the events while it runs, and the record that is kept. The record is
 * the evidence for everything that DevLM says about a program.
 */

/** Languages of the sandbox. `SandboxStatus` lists those that an engine supports. */
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
/** A language of the sandbox. */
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

/** Returns the language for a name, an alias or the tag of a code block, or null if it is not supported. */
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

/** A path relative to the working folder, with `/`. No part may be empty, `.` or `..`. */
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

/** A file of a program. */
export const SourceFile = z.object({
  path: FilePath,
  content: z.string(),
  encoding: z.enum(['utf8', 'base64']).default('utf8'),
});
export type SourceFile = z.infer<typeof SourceFile>;

/** Limits of one run. Limits that a request leaves out come from the language. The server caps all of them. */
export const ExecutionLimits = z.object({
  /** Memory in MiB, including swap and what the program writes to its in-memory file systems. */
  memoryMb: z.int().min(6).max(65_536),
  /** Number of processors; 0.5 is half of one. */
  cpus: z.number().min(0.05).max(256),
  /** Maximum time from the start of the program until it is killed, in milliseconds. */
  wallMs: z.int().min(50).max(3_600_000),
  /** Maximum number of concurrent processes and threads. */
  processes: z.int().min(1).max(32_768),
  /** Maximum size of both output streams together, in bytes. The run ends when it is exceeded. */
  outputBytes: z.int().min(0).max(limits.executionOutputBytes),
  /** Maximum size of a file that the program writes, in bytes. */
  fileBytes: z
    .int()
    .min(0)
    .max(limits.executionArtifactBytes * 64),
});
export type ExecutionLimits = z.infer<typeof ExecutionLimits>;

/** The place in a chat that a program came from, by which its record is found again. */
export const ExecutionOrigin = z.object({
  conversationId: Id,
  turnId: Id,
  /** Place within the turn, for example the number of a code block. */
  part: z.string().max(64),
});
export type ExecutionOrigin = z.infer<typeof ExecutionOrigin>;

/** A request to run a program. */
export const ExecutionRequest = z
  .object({
    /** Id chosen by the caller, so that the run can be canceled, and a lost response requested again. */
    id: Id,
    language: LanguageName,
    /** Source of a single file, which gets the usual name of the language. */
    source: z.string().max(limits.executionInputBytes).optional(),
    files: z.array(SourceFile).max(limits.executionFiles).default([]),
    /** The file to run. Default: the source, or the usual file name of the language. */
    entry: FilePath.optional(),
    /** A program and its arguments to run in the working folder, instead of an entry. */
    command: z.array(Argument).min(1).max(64).optional(),
    stdin: z.string().default(''),
    args: z.array(Argument).max(64).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), Argument).default({}),
    limits: ExecutionLimits.partial().default({}),
    /** `none`, or the hosts that the program may connect to. */
    network: z
      .union([z.literal('none'), z.object({ allow: z.array(z.string().min(1).max(253)).min(1).max(32) })])
      .default('none'),
    /** Whether an earlier record of the same program, input and limits may be returned instead. */
    reuse: z.boolean().default(false),
    /**
     * Whether the user accepts that the embedded engine cannot block the network on this machine. A team server refuses
     * it with `open_network_forbidden`.
     */
    acceptOpenNetwork: z.boolean().default(false),
    origin: ExecutionOrigin.optional(),
  })
  .refine((request) => request.source !== undefined || request.files.length > 0 || request.command !== undefined, {
    message: 'requires source, files or command',
    path: ['source'],
  })
  .refine((request) => Object.keys(request.env).length <= 64, {
    message: 'must not have more than 64 variables',
    path: ['env'],
  });
export type ExecutionRequest = z.infer<typeof ExecutionRequest>;

/** The outcome of a run. */
export const ExecutionStatus = z.enum([
  /** The program exited with code 0. */
  'ok',
  /** The program exited with another code, or was ended by a signal. */
  'failed',
  'timeout',
  /** The program, or one of its processes, was ended because memory was exhausted. */
  'out-of-memory',
  'output-limit',
  'cancelled',
  /** The engine could not run the program, or lost it. `message` says what to do. */
  'engine-error',
]);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** An output stream of a program. */
export const OutputStream = z.enum(['stdout', 'stderr']);
export type OutputStream = z.infer<typeof OutputStream>;

/** A file that a program wrote to its output folder. */
export const Artifact = z.object({
  /** Path relative to `/sandbox/out`. */
  path: z.string(),
  bytes: z.int().min(0),
  sha256: z.string(),
  /** Content in base64. */
  data: z.string(),
});
export type Artifact = z.infer<typeof Artifact>;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The engine that ran a program. */
export const ExecutionEngine = z.object({
  kind: z.enum(['docker', 'embedded']),
  /** Name of the runtime, for example `runc`, `runsc`, `pyodide 314.0.0`. */
  runtime: z.string(),
  /** False if this platform cannot block the program's access to the network. */
  networkCut: z.boolean(),
  /** Whether the sandbox was started before the request and was waiting for it. */
  warm: z.boolean(),
});
export type ExecutionEngine = z.infer<typeof ExecutionEngine>;

/** The record of a run. */
export const ExecutionRecord = z.object({
  id: Id,
  status: ExecutionStatus,
  /** Exit code as shells report it: 128 plus the number for a signal. Null if the program did not end by itself. */
  exitCode: z.int().nullable(),
  /** Name of the signal, for example `SIGSEGV`. */
  signal: z.string().nullable(),
  /** A sentence for the user, if the status alone does not say what to do. */
  message: z.string().nullable(),
  language: Language,
  /** The command that was run in the working folder. */
  command: z.array(z.string()),
  stdout: z.string(),
  stderr: z.string(),
  /** The order in which the streams arrived, as lengths in UTF-16 code units to take from each in turn. */
  order: z.array(z.object({ stream: OutputStream, chars: z.int().min(1) })),
  truncated: z.object({ stdout: z.boolean(), stderr: z.boolean() }),
  artifacts: z.array(Artifact),
  /** Whether more files were written than are kept. */
  artifactsTruncated: z.boolean(),
  limits: ExecutionLimits,
  /** Time in the queue, in milliseconds. */
  queuedMs: z.number().min(0),
  /** Time from the start of the program to its end, in milliseconds. */
  wallMs: z.number().min(0),
  /** Processor time in milliseconds; null if the engine cannot measure it. */
  cpuMs: z.number().min(0).nullable(),
  /** Peak memory in bytes; null if the engine cannot measure it. */
  peakMemoryBytes: z.int().min(0).nullable(),
  /** Null if the run never reached an engine. */
  engine: ExecutionEngine.nullable(),
  image: z.object({ name: z.string(), digest: z.string() }).nullable(),
  /** SHA-256 of everything that determines what the program does: files, command, input, variables, limits. */
  inputHash: Sha256,
  /** SHA-256 of files, command and input only, under which the program is stored. */
  programHash: Sha256,
  inputs: z.array(z.object({ path: z.string(), bytes: z.int().min(0), sha256: Sha256 })),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  origin: ExecutionOrigin.nullable(),
  /** Id of the run that this record was originally made for, if it was reused; otherwise null. */
  reusedFrom: Id.nullable(),
});
export type ExecutionRecord = z.infer<typeof ExecutionRecord>;

/** An event of a run, in the order of this list. `ended` always comes, and nothing follows it. */
export const ExecutionEvent = z.discriminatedUnion('type', [
  /** The run is queued behind `before` other runs. */
  z.object({ type: z.literal('queued'), before: z.int().min(0) }),
  /** The run waits for something, such as an image that is pulled. `fraction` is from 0 to 1, or null if unknown. */
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
  /** Null until the run has ended. */
  record: ExecutionRecord.nullable(),
});
export type Execution = z.infer<typeof Execution>;

/** What the sandbox of a server can run. */
export const SandboxStatus = z.object({
  /** Null if nothing can be run; `message` says what to do. */
  engine: z.enum(['docker', 'embedded']).nullable(),
  /** A sentence that says which engine is used, or why none is. */
  message: z.string(),
  /** False if the user has to agree before the first run (`acceptOpenNetwork`). */
  networkCut: z.boolean(),
  languages: z.array(
    z.object({
      language: Language,
      /** `missing`: it is loaded with the first run (an image, a runtime), which takes longer. */
      state: z.enum(['ready', 'missing', 'unavailable']),
      /** Name of the image or the runtime. */
      runs: z.string(),
      message: z.string().nullable(),
    }),
  ),
});
export type SandboxStatus = z.infer<typeof SandboxStatus>;

/** A program as it is stored. Without its variables, because they may be secrets. */
export const Snippet = z.object({
  language: Language,
  entry: z.string().nullable(),
  command: z.array(z.string()),
  files: z.array(SourceFile),
  stdin: z.string(),
});
export type Snippet = z.infer<typeof Snippet>;

/** Returns the record with only the first `chars` UTF-16 code units of its output. */
export function cutOutput(record: ExecutionRecord, chars: number): ExecutionRecord {
  if (record.stdout.length + record.stderr.length <= chars) return record;
  const kept = { stdout: '', stderr: '' };
  const order: ExecutionRecord['order'] = [];
  let remaining = chars;
  for (const { stream, text } of outputOf(record)) {
    if (remaining === 0) break;
    const part = text.slice(0, remaining);
    remaining -= part.length;
    kept[stream] += part;
    order.push({ stream, chars: part.length });
  }
  const truncated = {
    stdout: record.truncated.stdout || kept.stdout.length < record.stdout.length,
    stderr: record.truncated.stderr || kept.stderr.length < record.stderr.length,
  };
  return { ...record, ...kept, order, truncated };
}

/** Returns both outputs of a record in the order in which they arrived. */
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
