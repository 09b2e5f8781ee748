import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import pino, { type Logger } from 'pino';

/** Size beyond which a log file is rotated at the next start, in bytes. One older file is kept. */
const maxLogBytes = 5 * 1024 * 1024;

/** Names of fields whose values are redacted, up to two levels deep in a logged object. */
const secretNames = ['apiKey', 'api_key', 'authToken', 'secret', 'password', 'authorization', 'cookie', 'databaseUrl'];
const secretPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*["x-api-key"]`]);

/** Characters that JSON does not escape, but that a terminal or editor interprets as a control code or line break. */
const unprintable = /[\u007f-\u009f\u2028\u2029]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Creates a logger that writes JSON lines to a file or to standard error, without secrets. */
export function createLogger(options: {
  level: string;
  file?: string | undefined;
  /** Removes credentials from a line. */
  hide?: (line: string) => string;
}): Logger {
  if (options.file) rotate(options.file);
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, mkdir: true, mode: 0o600 });
  // A synchronous write throws when the disk is full, which must not end the server.
  const write = destination.write.bind(destination);
  const { hide = (line: string) => line } = options;
  destination.write = (line) => {
    try {
      return write(hide(line).replaceAll(unprintable, escaped));
    } catch {
      return false;
    }
  };
  destination.on('error', () => undefined);
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...new Set(secretPaths)], censor: '[redacted]' },
      serializers: { err: plainError },
    },
    destination,
  );
}

/** Returns an error without the properties that libraries add: headers and bodies of requests may contain keys. */
function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    name: error.name,
    message: hideKeys(error.message),
    stack: hideKeys(error.stack ?? ''),
    ...(error.cause instanceof Error ? { cause: plainError(error.cause) } : {}),
  };
}

function hideKeys(text: string): string {
  return text
    .replaceAll(/sk-[A-Za-z0-9_-]{8,}/g, '[redacted]')
    .replaceAll(/(postgres(?:ql)?:\/\/[^:@/\s]*:)[^@\s]*@/g, '$1[redacted]@');
}

function rotate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    if (statSync(file).size > maxLogBytes) renameSync(file, `${file}.1`);
  } catch {
    // There is no log file yet.
  }
}
