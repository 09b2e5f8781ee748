import { isUtf8 } from 'node:buffer';
import type {
  ExecutionLimits,
  ExecutionRecord,
  ExecutionRequest,
  Snippet,
  SourceFile,
} from '@devlm/protocol/execution.ts';
import { limits as bounds } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { sha256Hex } from '../sha256.ts';
import { languageTable } from './languages.ts';
import type { Job, JobFile, JobRun, RunResult } from './sandbox.ts';

/** Maximum limits that a request may ask for. */
export type LimitCaps = Pick<ExecutionLimits, 'memoryMb' | 'cpus' | 'wallMs'>;

/** A job with the hashes and the snippet for its record. */
export interface PreparedJob {
  readonly job: Job;
  readonly inputHash: string;
  readonly programHash: string;
  readonly snippet: Snippet;
  readonly inputs: ExecutionRecord['inputs'];
}

/**
 * Converts a request that has passed its schema to a job that an engine can run.
 * @throws ProblemError `invalid_input` with the name of the field
 */
export function prepareJob(request: ExecutionRequest, caps: LimitCaps): PreparedJob {
  const language = languageTable[request.language];
  const files = readFiles(request, language.file);
  for (const [path, content] of Object.entries(language.files)) {
    if (!files.has(path)) files.set(path, Buffer.from(content));
  }
  const stdin = Buffer.from(request.stdin);
  const bytes = [...files.values()].reduce((sum, data) => sum + data.length, stdin.length);
  if (bytes > bounds.executionInputBytes) {
    throw invalid('files', `the program and its input are larger than ${bounds.executionInputBytes / 1024 / 1024} MB`);
  }
  const job: Job = {
    id: request.id,
    language: request.language,
    files: [...files].map(([path, data]): JobFile => ({ path, data })),
    run: readRun(request, files, language.file),
    stdin,
    env: { ...language.env, ...request.env },
    limits: readLimits(request.limits, language.limits, caps),
    allowedHosts: request.network === 'none' ? [] : request.network.allow,
  };
  const inputs = job.files.map(({ path, data }) => ({ path, bytes: data.length, sha256: sha256Hex(data) }));
  const snippet = snippetOf(job, request);
  return { job, inputs, snippet, inputHash: inputHashOf(job, inputs), programHash: sha256Hex(JSON.stringify(snippet)) };
}

/** Returns the command of a job, as a user would type it in the working folder. */
export function commandOf(job: Job): string[] {
  if (job.run.kind === 'command') return [...job.run.command];
  return [...languageTable[job.language].command(job.run.entry, job.run.args)];
}

/** Returns the result of a job that never ran, except its status, message and engine. */
export function unrun(job: Job): Omit<RunResult, 'status' | 'message' | 'engine'> {
  return {
    command: commandOf(job),
    exitCode: null,
    signal: null,
    stdout: '',
    stderr: '',
    order: [],
    truncated: { stdout: false, stderr: false },
    artifacts: [],
    artifactsTruncated: false,
    wallMs: 0,
    cpuMs: null,
    peakMemoryBytes: null,
    image: null,
  };
}

function readFiles(request: ExecutionRequest, defaultFile: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const add = (path: string, data: Buffer, field: string) => {
    if (files.has(path)) throw invalid(field, `${path} occurs twice`);
    files.set(path, data);
  };
  if (request.source !== undefined) add(request.entry ?? defaultFile, Buffer.from(request.source), 'source');
  for (const [i, { path, content, encoding }] of request.files.entries()) {
    const data = Buffer.from(content, encoding);
    // Node skips what is not base64 instead of refusing it.
    if (encoding === 'base64' && data.toString('base64') !== content)
      throw invalid(`files.${i}.content`, 'it is not valid base64');
    add(path, data, `files.${i}.path`);
  }
  for (const path of files.keys()) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (files.has(folder)) throw invalid('files', `${folder} is both a file and a folder`);
    }
  }
  return files;
}

function readRun(request: ExecutionRequest, files: ReadonlyMap<string, Buffer>, defaultFile: string): JobRun {
  if (request.command) {
    if (request.entry !== undefined && request.source === undefined)
      throw invalid('entry', 'it cannot be combined with a command');
    return { kind: 'command', command: [...request.command, ...request.args] };
  }
  const only = files.size === 1 ? [...files.keys()][0] : undefined;
  const named =
    request.entry ?? (request.source === undefined && request.files.length === 1 ? request.files[0]?.path : undefined);
  const entry = named ?? (files.has(defaultFile) ? defaultFile : only);
  if (entry === undefined) throw invalid('entry', `name the file to run, or add a file named ${defaultFile}`);
  if (!files.has(entry)) throw invalid('entry', `the file ${entry} does not exist`);
  return { kind: 'entry', entry, args: request.args };
}

function readLimits(asked: ExecutionRequest['limits'], defaults: ExecutionLimits, caps: LimitCaps): ExecutionLimits {
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const wanted: ExecutionLimits = { ...defaults, ...given };
  for (const name of ['memoryMb', 'cpus', 'wallMs'] as const) {
    if (asked[name] !== undefined && asked[name] > caps[name]) {
      throw invalid(`limits.${name}`, `the maximum on this server is ${caps[name]}`);
    }
    wanted[name] = Math.min(wanted[name], caps[name]);
  }
  return wanted;
}

function snippetOf(job: Job, { stdin }: ExecutionRequest): Snippet {
  const files = job.files.map(({ path, data }): SourceFile => {
    const encoding = isUtf8(data) ? 'utf8' : 'base64';
    return { path, content: Buffer.from(data).toString(encoding), encoding };
  });
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const entry = job.run.kind === 'entry' ? job.run.entry : null;
  return { language: job.language, entry, command: commandOf(job), files, stdin };
}

function inputHashOf(job: Job, inputs: ExecutionRecord['inputs']): string {
  const { language, run, env, limits, allowedHosts } = job;
  const sorted = <T>(pairs: [string, T][]) => pairs.sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256Hex(
    JSON.stringify([
      language,
      run,
      sorted(inputs.map(({ path, sha256 }) => [path, sha256])),
      sorted(Object.entries(env)),
      sorted(Object.entries(limits)),
      [...allowedHosts].sort(),
      sha256Hex(job.stdin),
    ]),
  );
}

function invalid(field: string, why: string): ProblemError {
  return new ProblemError({
    code: 'invalid_input',
    status: 422,
    title: 'Invalid input',
    detail: `body.${field}: ${why}.`,
  });
}
