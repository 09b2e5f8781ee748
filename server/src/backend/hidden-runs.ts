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
 * Programs get real credentials. Everything that is shown or stored of their runs has placeholders instead.
 */

/**
 * Returns the request with placeholders replaced by credentials, ready to run.
 * @throws ProblemError `secret_unknown`
 */
export function revealedRequest(secrets: Secrets, request: ExecutionRequest): ExecutionRequest {
  const reveal = (text: string) => revealSecrets(secrets, text);
  const { source, files, command, stdin, args, env } = request;
  return {
    ...request,
    ...(source === undefined ? {} : { source: reveal(source) }),
    ...(command === undefined ? {} : { command: command.map(reveal) }),
    // Files of a project may mention placeholders that were never issued.
    files: files.map((file) =>
      file.encoding === 'utf8' ? { ...file, content: secrets.restoreKnown(file.content) } : file,
    ),
    stdin: reveal(stdin),
    args: args.map(reveal),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, reveal(value)])),
  };
}

/**
 * Returns a listener that passes the events of a run on, with credentials in the output replaced by placeholders.
 * `end` flushes the output that is held back because a credential could start in it.
 */
export function hidingListener(secrets: Secrets, onEvent: (event: ExecutionEvent) => void) {
  const streamOf = (stream: 'stdout' | 'stderr') => secrets.stream((text) => onEvent({ type: 'output', stream, text }));
  const streams = { stdout: streamOf('stdout'), stderr: streamOf('stderr') };
  return {
    onEvent: (event: ExecutionEvent) =>
      event.type === 'output' ? streams[event.stream].push(event.text) : onEvent(event),
    end: () => {
      streams.stdout.end();
      streams.stderr.end();
    },
  };
}

/** Returns the record without credentials. Files written by the program are unchanged, because they are stored sealed. */
export function hiddenRecord(secrets: Secrets, record: ExecutionRecord): ExecutionRecord {
  const stdout = secrets.hide(record.stdout);
  const stderr = secrets.hide(record.stderr);
  const command = record.command.map((part) => secrets.hide(part));
  const message = record.message === null ? null : secrets.hide(record.message);
  const hidden = { ...record, stdout, stderr, command, message };
  if (stdout === record.stdout && stderr === record.stderr) return hidden;
  const pieces = outputOf(record).map(({ stream, text }) => ({ stream, text: secrets.hide(text) }));
  const outputOfStream = (stream: 'stdout' | 'stderr') =>
    pieces.flatMap((piece) => (piece.stream === stream ? [piece.text] : [])).join('');
  // If a credential was split across two pieces, the order of the output around it is unknown.
  const splitCleanly = outputOfStream('stdout') === stdout && outputOfStream('stderr') === stderr;
  const parts = splitCleanly
    ? pieces
    : [
        { stream: 'stdout' as const, text: stdout },
        { stream: 'stderr' as const, text: stderr },
      ];
  const order = parts.map(({ stream, text }) => ({ stream, chars: text.length })).filter(({ chars }) => chars > 0);
  return { ...hidden, order };
}

/** Returns the program with credentials replaced by placeholders, ready to be stored and shown. */
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
