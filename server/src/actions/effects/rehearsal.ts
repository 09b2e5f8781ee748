import { ExecutionRequest, type Language } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { sha256Hex } from '../../sha256.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import type { WantedFile } from '../edits/types.ts';
import { programName } from '../policy/programs.ts';
import { analyzeShell } from '../policy/shell.ts';
import { done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';
import { changeFiles } from './change-files.ts';
import { describeRecord } from './describe-record.ts';

/** Limits of the copy. The sandbox accepts no more files, and keeps them in memory. Sizes are in bytes. */
const bounds = { files: limits.executionFiles - 10, bytes: 8 * 1024 * 1024, fileBytes: 1024 * 1024, listed: 5_000 };
/** Number of files read in parallel. */
const readConcurrency = 6;
/** Maximum number of files that the editor changes together. */
const maxChangedFiles = 200;
/** Maximum number of omitted files that are named to the model. */
const maxNamedFiles = 20;

/** Sandbox images by the programs that need them. Any other command runs in an image with only a shell. */
const images: readonly [Language, RegExp][] = [
  ['python', /^(python[\d.]*|pytest|pip[\d.]*|tox|ruff|black|mypy)$/],
  ['javascript', /^(node|npm|npx|yarn|pnpm|tsc|eslint|prettier|biome)$/],
  ['go', /^(go|gofmt)$/],
  ['ruby', /^(ruby|rake|bundle|rspec|rubocop|gem)$/],
];

/** Paths of caches and dependencies, whose changes are not offered. */
const ignoredPaths = /(^|\/)(__pycache__|\.pytest_cache|\.ruff_cache|\.mypy_cache|node_modules|\.git)\//;

/**
 * Shell script that runs `$1` in the folder `$2` of the copy and writes the changes as one artifact: for each changed
 * file a line `F BYTES PATH` and its bytes, for each deleted file `D 0 PATH`. Names with line ends are skipped.
 */
const script = `export LC_ALL=C
mkdir -p work && cd work || exit 125
copy=$PWD
sums() { find . -type f -exec sha256sum {} + | grep -v '^[\\\\]' | sort; }
sums >/tmp/.before
shell=$(command -v bash || command -v sh)
(cd "$2" && exec "$shell" -c "$1")
code=$?
cd "$copy" && sums >/tmp/.after
{
  comm -13 /tmp/.before /tmp/.after | while IFS= read -r line; do
    file=\${line#*  }
    printf 'F %s %s\\n' "$(wc -c <"$file")" "$file"
    cat "$file"
  done
  comm -23 /tmp/.before /tmp/.after | while IFS= read -r line; do
    [ -e "\${line#*  }" ] || printf 'D 0 %s\\n' "\${line#*  }"
  done
} >../out/changes
exit $code`;

/** The copy of a workspace that a rehearsal runs on. */
interface WorkspaceCopy {
  /** The copied files, by path. */
  readonly files: ReadonlyMap<string, { readonly text: string; readonly hash: string }>;
  /** Paths of files that are not in the copy. */
  readonly leftOut: readonly string[];
}

/**
 * Runs a command in the sandbox, on a copy of the workspace and without network, and offers its changes to the user
 * like any other file changes.
 */
export async function rehearse(
  context: ToolContext,
  {
    command,
    cwd,
    stdin,
    timeoutMs,
  }: { command: string; cwd?: string | undefined; stdin: string; timeoutMs?: number | undefined },
): Promise<ToolOutcome> {
  const workspace = await context.workspace();
  const id = sha256Hex(`rehearsal ${context.turnId} ${context.callId}`).slice(0, 32);
  // An earlier server died while the changes were being made: only they remain to be done.
  if (context.begun?.changes) return changeFiles(context, 'run_command', []);
  const copy = await copyOf(workspace, context.signal);
  const request = ExecutionRequest.safeParse({
    id,
    language: imageFor(command),
    files: [...copy.files].map(([path, { text }]) => ({ path: `work/${path}`, content: text })),
    command: ['sh', '-c', script, 'sh', command, cwd ?? '.'],
    stdin,
    ...(timeoutMs === undefined ? {} : { limits: { wallMs: timeoutMs } }),
    origin: { conversationId: context.conversationId, turnId: context.turnId, part: context.callId.slice(0, 64) },
  });
  if (!request.success) return failed(`This command cannot be rehearsed: ${request.error.issues[0]?.message}.`);
  if (!context.begun) await context.begin({ executionId: id });
  const record = await context
    .execute(request.data, (text) => context.output(text))
    .catch((error: unknown) => {
      if (error instanceof ProblemError && error.problem.code === 'conflict')
        throw new ProblemError({
          ...error.problem,
          detail:
            'The server was restarted during the rehearsal, and the workspace has changed since then. Run the command again.',
        });
      throw error;
    });
  const messages = [
    `This was a rehearsal in a copy of the workspace, in the sandbox and without network access. ${describeRecord({ ...record, artifacts: [] })}`,
  ];
  if (copy.leftOut.length > 0) {
    const more = copy.leftOut.length > maxNamedFiles ? ` and ${copy.leftOut.length - maxNamedFiles} more` : '';
    messages.push(
      `Not in the copy, apart from ignored files: ${copy.leftOut.slice(0, maxNamedFiles).join(', ')}${more}.`,
    );
  }
  const details = { executionId: id };
  if (record.status === 'engine-error') return failed(messages.join('\n'), details);
  const artifact = record.artifacts.find(({ path }) => path === 'changes');
  const found = artifact && changesIn(Buffer.from(artifact.data, 'base64'));
  if (!found) {
    const ended = record.status === 'ok' || record.status === 'failed';
    messages.push(
      ended ? 'It changed too much to offer its changes to the user.' : 'Its changes are not offered to the user.',
    );
    return done(messages.join('\n'), details);
  }
  const { wanted, skipped } = await wantedOf(workspace, copy, found, context.signal);
  if (skipped.length > 0) messages.push(`Not offered:\n${skipped.slice(0, maxNamedFiles).join('\n')}`);
  if (wanted.length === 0) return done([...messages, 'It did not change any file.'].join('\n'), details);
  if (wanted.length > maxChangedFiles)
    return done(
      [
        ...messages,
        `It changed ${wanted.length} files, more than the limit of ${maxChangedFiles}, so its changes are not offered to the user.`,
      ].join('\n'),
      details,
    );
  // The copy counts as read by the model, so that the files in it can be changed.
  const known = new Map([...context.known, ...[...copy.files].map(([path, { hash }]) => [path, hash] as const)]);
  const outcome = await changeFiles({ ...context, known }, 'run_command', wanted);
  return { ...outcome, text: [...messages, outcome.text].join('\n'), details: { ...outcome.details, ...details } };
}

/** Returns the image whose programs a command uses. */
export function imageFor(command: string): Language {
  for (const { argv } of analyzeShell(command).commands) {
    const program = programName(argv[0] ?? '');
    const image = images.find(([, programs]) => programs.test(program));
    if (image) return image[0];
  }
  return 'bash';
}

/** Copies the text files of the workspace that are not ignored, within the limits. */
async function copyOf(workspace: Workspace, signal: AbortSignal): Promise<WorkspaceCopy> {
  const { entries, truncated } = await workspace.list({ path: '.', depth: 20, limit: bounds.listed }, signal);
  const files = new Map<string, { text: string; hash: string }>();
  const leftOut: string[] = truncated ? [`everything after the first ${bounds.listed} files and folders`] : [];
  const paths = entries.filter(({ kind }) => kind === 'file').map(({ path }) => path);
  let bytes = 0;
  for (let at = 0; at < paths.length; at += readConcurrency) {
    const batch = paths.slice(at, at + readConcurrency);
    if (files.size + batch.length > bounds.files || bytes > bounds.bytes) {
      leftOut.push(...paths.slice(at));
      break;
    }
    const read = await Promise.all(batch.map((path) => workspace.read(path, signal)));
    for (const [i, file] of read.entries()) {
      const path = batch[i] ?? '';
      const size = file.kind === 'text' ? Buffer.byteLength(file.text) : Number.POSITIVE_INFINITY;
      if (
        file.kind === 'text' &&
        size <= bounds.fileBytes &&
        bytes + size <= bounds.bytes &&
        !unusablePath.test(path)
      ) {
        files.set(path, { text: file.text, hash: file.hash });
        bytes += size;
      } else if (file.kind !== 'missing') leftOut.push(path);
    }
  }
  return { files, leftOut };
}

/** Matches names that the sandbox does not accept. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
const unusablePath = /[\x00-\x1f\x7f\\]|^.{500}/;

/**
 * Parses the artifact of the script into new bytes by path, null for a deleted file. Returns null if it is malformed.
 */
export function changesIn(data: Buffer): Map<string, Buffer | null> | null {
  const changes = new Map<string, Buffer | null>();
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(0x0a, at);
    const [, kind, size, path] = /^([FD]) (\d{1,9}) \.\/(.+)$/.exec(data.toString('utf8', at, Math.max(at, end))) ?? [];
    if (path === undefined) return null;
    const length = Number(size);
    at = end + 1 + length;
    if (at > data.length) return null;
    changes.set(path, kind === 'D' ? null : data.subarray(end + 1, at));
  }
  return changes;
}

/** Returns the changes that can be made in the workspace, and reasons for the others. The paths are not trusted. */
async function wantedOf(
  workspace: Workspace,
  copy: WorkspaceCopy,
  found: ReadonlyMap<string, Buffer | null>,
  signal: AbortSignal,
): Promise<{ wanted: WantedFile[]; skipped: string[] }> {
  const wanted: WantedFile[] = [];
  const skipped: string[] = [];
  for (const [path, bytes] of found) {
    if (ignoredPaths.test(path) || unusablePath.test(path)) continue;
    const text = bytes && decodeUtf8(bytes);
    if (text === undefined) skipped.push(`${path}: it is not a text file.`);
    else if (copy.files.has(path)) wanted.push({ path, text, exact: true, real: true });
    // Ignored or left out of the copy: the command has not seen the existing file.
    else if ((await workspace.read(path, signal)).kind !== 'missing') skipped.push(`${path}: it was not in the copy.`);
    else if (text !== null) wanted.push({ path, text, create: true, real: true });
  }
  return { wanted, skipped };
}

/** Returns the bytes as text, or undefined if they are not UTF-8 text. */
function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}
