import {
  type ExecutionEvent,
  type ExecutionRecord,
  type ExecutionRequest,
  outputOf,
  type Snippet,
} from '@devlm/protocol/execution.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import { revealSecrets } from '../actions/secrets/uses.ts';

/*
 * A program gets the real credentials; what is heard, kept and shown of its run has placeholders.
 */

/**
 * The request as it is run.
 * @throws ProblemError `secret_unknown`
 */
export function revealedRequest(secrets: Secrets, request: ExecutionRequest): ExecutionRequest {
  const reveal = (text: string) => revealSecrets(secrets, text);
  const { source, files, command, stdin, args, env } = request;
  return {
    ...request,
    ...(source === undefined ? {} : { source: reveal(source) }),
    ...(command === undefined ? {} : { command: command.map(reveal) }),
    // Files of a project may speak of placeholders.
    files: files.map((file) =>
      file.encoding === 'utf8' ? { ...file, content: secrets.restoreKnown(file.content) } : file,
    ),
    stdin: reveal(stdin),
    args: args.map(reveal),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, reveal(value)])),
  };
}

/** Hears a run and hands on what may be heard of it. Ends with the run. */
export function hidingEar(secrets: Secrets, hear: (event: ExecutionEvent) => void) {
  const streamOf = (stream: 'stdout' | 'stderr') => secrets.stream((text) => hear({ type: 'output', stream, text }));
  const streams = { stdout: streamOf('stdout'), stderr: streamOf('stderr') };
  return {
    hear: (event: ExecutionEvent) => (event.type === 'output' ? streams[event.stream].push(event.text) : hear(event)),
    end: () => {
      streams.stdout.end();
      streams.stderr.end();
    },
  };
}

/** The record without credentials. Files that the program wrote are as they are: they are stored sealed. */
export function hiddenRecord(secrets: Secrets, record: ExecutionRecord): ExecutionRecord {
  const stdout = secrets.hide(record.stdout);
  const stderr = secrets.hide(record.stderr);
  const command = record.command.map((part) => secrets.hide(part));
  const message = record.message === null ? null : secrets.hide(record.message);
  const hidden = { ...record, stdout, stderr, command, message };
  if (stdout === record.stdout && stderr === record.stderr) return hidden;
  const pieces = outputOf(record).map(({ stream, text }) => ({ stream, text: secrets.hide(text) }));
  const whole = (stream: 'stdout' | 'stderr') =>
    pieces.flatMap((piece) => (piece.stream === stream ? [piece.text] : [])).join('');
  // Where a credential came in two pieces, it is no longer known what came in between.
  const inPieces = whole('stdout') === stdout && whole('stderr') === stderr;
  const parts = inPieces
    ? pieces
    : [
        { stream: 'stdout' as const, text: stdout },
        { stream: 'stderr' as const, text: stderr },
      ];
  const order = parts.map(({ stream, text }) => ({ stream, chars: text.length })).filter(({ chars }) => chars > 0);
  return { ...hidden, order };
}

/** The program as it is kept and shown. */
export function hiddenSnippet(secrets: Secrets, snippet: Snippet): Snippet {
  return {
    ...snippet,
    command: snippet.command.map((part) => secrets.hide(part)),
    files: snippet.files.map((file) =>
      file.encoding === 'utf8' ? { ...file, content: secrets.hide(file.content) } : file,
    ),
    stdin: secrets.hide(snippet.stdin),
  };
}
