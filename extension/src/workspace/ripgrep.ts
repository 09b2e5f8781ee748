import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isMultiline, type LinePattern, sourceOf } from '@devlm/workspace-core/line-pattern.ts';
import { maxLineChars } from '@devlm/workspace-core/matches.ts';
import { invalidPattern } from '@devlm/workspace-core/search-problems.ts';

/** Maximum line length of ripgrep's output, in bytes. Matches in longer lines are skipped. */
const maxLineBytes = 8 * 1024 * 1024;
/** Maximum length of ripgrep's error output, in UTF-16 code units. */
const maxErrorChars = 4_000;

/** A matching line. */
export interface Line {
  /** Relative to the folder, or empty if `input` was searched. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly text: string;
}

/** Returns the path of the editor's own ripgrep, or undefined if the editor does not include it. */
export async function findRipgrep(
  appRoot: string,
  { platform, arch }: Pick<NodeJS.Process, 'platform' | 'arch'> = process,
): Promise<string | undefined> {
  const executable = platform === 'win32' ? 'rg.exe' : 'rg';
  for (const modules of ['node_modules.asar.unpacked', 'node_modules']) {
    for (const subfolder of [`ripgrep-universal/bin/${platform}-${arch}`, 'ripgrep/bin']) {
      const path = join(appRoot, modules, '@vscode', subfolder, executable);
      const isExecutable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isExecutable) return path;
    }
  }
  return undefined;
}

/** Options of a ripgrep search. */
export interface RipgrepOptions extends LinePattern {
  readonly program: string;
  /** Absolute path of the folder to search. If `input` is given, it is searched instead. */
  readonly folder: string;
  readonly input?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** The editor's name for the encoding of files without a byte order mark. Default: UTF-8. */
  readonly encoding?: string;
  /** Called for each matching line. Returning false ends the search. */
  readonly onLine: (line: Line) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Searches until the end or until `onLine` returns false.
 *
 * @throws ProblemError `invalid_pattern`; the signal's reason if aborted
 */
export async function ripgrep(options: RipgrepOptions): Promise<void> {
  const { program, folder, input, onLine, signal } = options;
  signal.throwIfAborted();
  const child = spawn(program, argumentsOf(options), {
    cwd: folder,
    shell: false,
    windowsHide: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], SystemRoot: process.env['SystemRoot'] },
  });
  const stop = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(0, maxErrorChars);
  });
  // ripgrep may exit before it has read the whole input.
  child.stdin?.on('error', () => undefined).end(input);
  let found = false;
  try {
    for await (const line of linesOf(child.stdout ?? [])) {
      const match = matchOf(line);
      if (!match) continue;
      found = true;
      if (!onLine(match)) return;
    }
    const code = await ended;
    signal.throwIfAborted();
    // Exit code 2 with matches means that some files could not be read.
    if (code === 2 && !found && /regex|pattern|literal|glob/i.test(errors)) throw invalidPattern(errors.trim());
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

function argumentsOf(options: RipgrepOptions): string[] {
  const { pattern, isRegex, caseSensitive, include = [], exclude = [], input, encoding } = options;
  // Globs are joined with their option, so that none is parsed as another option.
  return [
    '--json',
    '--no-config',
    '--hidden',
    '--no-messages',
    '--crlf',
    '--no-require-git',
    '--no-ignore-global',
    '--no-ignore-dot',
    caseSensitive ? '--case-sensitive' : '--ignore-case',
    // Look-around and back references need another engine than the default one.
    ...(isRegex || isMultiline(options) ? ['--engine=auto'] : ['--fixed-strings']),
    ...(isMultiline(options) ? ['--multiline'] : []),
    ...(encoding && labelOf(encoding) ? [`--encoding=${labelOf(encoding)}`] : []),
    ...include.map((glob) => `--glob=${glob}`),
    ...exclude.map((glob) => `--glob=!${glob}`),
    '--glob=!**/.git',
    `--regexp=${isRegex || isMultiline(options) ? sourceOf(options, '\\r?\\n') : pattern}`,
    '--',
    input === undefined ? '.' : '-',
  ];
}

/** Returns the WHATWG label of the editor's encoding name, or undefined for UTF-8 and encodings without a label. */
function labelOf(encoding: string): string | undefined {
  const numbered = /^(windows|iso8859)(\d+)$/.exec(encoding);
  if (numbered) return `${numbered[1] === 'windows' ? 'windows' : 'iso-8859'}-${numbered[2]}`;
  return otherLabels[encoding];
}

const otherLabels: Readonly<Record<string, string>> = {
  utf16le: 'utf-16le',
  utf16be: 'utf-16be',
  shiftjis: 'shift_jis',
  eucjp: 'euc-jp',
  euckr: 'euc-kr',
  gbk: 'gbk',
  gb2312: 'gbk',
  gb18030: 'gb18030',
  big5hkscs: 'big5-hkscs',
  cp950: 'big5',
  koi8r: 'koi8-r',
  koi8u: 'koi8-u',
  cp866: 'ibm866',
  macroman: 'macintosh',
};

async function* linesOf(output: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of output) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (bytes + end <= maxLineBytes) yield Buffer.concat([...chunks, rest.subarray(0, end)]).toString('utf8');
      chunks = [];
      bytes = 0;
      rest = rest.subarray(end + 1);
    }
    bytes += rest.length;
    if (bytes <= maxLineBytes) chunks.push(rest);
    else chunks = [];
  }
}

interface Text {
  readonly text?: string;
  /** Base64, if the text is not UTF-8. */
  readonly bytes?: string;
}

/** Parses a line of ripgrep's JSON output, documented in the crate `grep-printer`. */
function matchOf(json: string): Line | undefined {
  const message: { type?: string; data?: { path?: Text; lines?: Text; line_number?: number | null } } =
    JSON.parse(json);
  const { path, lines, line_number: line } = message.data ?? {};
  if (message.type !== 'match' || !lines || !line) return undefined;
  return {
    path: decodedText(path ?? {})
      .replaceAll('\\', '/')
      .replace(/^\.\//, ''),
    line,
    text: firstLine(decodedText(lines)),
  };
}

function decodedText({ text, bytes }: Text): string {
  return text ?? Buffer.from(bytes ?? '', 'base64').toString('latin1');
}

/** Returns the first line without its line end. */
function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return text
    .slice(0, end < 0 ? text.length : end)
    .replace(/\r$/, '')
    .slice(0, maxLineChars);
}
