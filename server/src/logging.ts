import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import pino, { type Logger } from 'pino';

/** A log file that has grown beyond this is set aside at the next start; one older file is kept. */
const maxLogBytes = 5 * 1024 * 1024;

/** Names whose values never reach a log, wherever they stand in what is logged. */
const secretNames = ['apiKey', 'api_key', 'authToken', 'secret', 'password', 'authorization', 'cookie', 'databaseUrl'];
const secretPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*["x-api-key"]`]);

/** What JSON lets stand, and a terminal or an editor takes for an order or a new line. */
const unprintable = /[\u007f-\u009f\u2028\u2029]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** JSON lines to the file or to standard error, secrets left out. */
export function createLogger(options: {
  level: string;
  file?: string | undefined;
  /** Takes credentials out of a line. */
  hide?: (line: string) => string;
}): Logger {
  if (options.file) setAside(options.file);
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, mkdir: true, mode: 0o600 });
  // On a full disk a synchronous write throws, and would take the server down with it.
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

/** An error without what libraries hang on it: headers and bodies of requests hold keys. */
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

function setAside(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    if (statSync(file).size > maxLogBytes) renameSync(file, `${file}.1`);
  } catch {
    // There is none yet.
  }
}
