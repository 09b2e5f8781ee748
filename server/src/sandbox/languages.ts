import type { ExecutionLimits, Language } from '@devlm/protocol/execution.ts';

/** The mission's defaults; a language raises what it cannot start with. */
const defaults: ExecutionLimits = {
  memoryMb: 50,
  cpus: 0.5,
  wallMs: 30_000,
  processes: 64,
  outputBytes: 1024 * 1024,
  fileBytes: 64 * 1024 * 1024,
};

/** How a program waits in a started container; each has its file in `docker/boot/`. */
export type Boot = 'python' | 'node' | 'ruby' | 'shell';

/** One row a language. */
export interface LanguageRow {
  /** Official image; the configuration may name another. */
  readonly image: string;
  /** Name of the file that a single source becomes, and of the entry where none is named. */
  readonly file: string;
  /** Keeps its interpreter loaded while it waits; `shell` starts the command when the program is there. */
  readonly boot: Boot;
  /** The command that runs an entry, in the working folder. */
  readonly command: (entry: string, args: readonly string[]) => readonly string[];
  readonly limits: ExecutionLimits;
  /** Variables that the language itself needs. */
  readonly env: Readonly<Record<string, string>>;
  /** Run once by the shell before a container waits: fills a compiler's caches. */
  readonly warmUp: string | null;
  /** Files that a program cannot run without, added where they are missing. */
  readonly files: Readonly<Record<string, string>>;
}

const row = (
  image: string,
  file: string,
  boot: Boot,
  command: LanguageRow['command'],
  more: Partial<Omit<LanguageRow, 'limits'>> & { limits?: Partial<ExecutionLimits> } = {},
): LanguageRow => ({
  env: {},
  warmUp: null,
  files: {},
  ...more,
  image,
  file,
  boot,
  command,
  limits: { ...defaults, ...more.limits },
});

/** Enums and namespaces as well, which plain stripping of types refuses. */
const typescriptFlags = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning'];

/** Compiles with `$1`, then runs; the arguments of the program follow. */
const compiled = (script: string) => (entry: string, args: readonly string[]) => [
  'sh',
  '-c',
  script,
  'sh',
  entry,
  ...args,
];

/** The packages that most programs use, compiled before the program is there; `testing` brings many of them. */
const goWarmUp = `mkdir /tmp/warm && cd /tmp/warm && echo 'module warm' >go.mod && echo 'package main
import ("bufio"; "encoding/json"; "fmt"; "math"; "os"; "sort"; "strconv"; "strings"; "sync"; "testing"; "time")
var _ = []any{bufio.ScanLines, json.Marshal, math.Sqrt, os.Args, sort.Ints, strconv.Itoa, strings.Fields, new(sync.Mutex), testing.Short, time.Now}
func main() { fmt.Println() }' >main.go && go build -o /dev/null .; cd /; rm -r /tmp/warm`;

export const languageTable: Readonly<Record<Language, LanguageRow>> = {
  python: row('python:3.13-slim', 'main.py', 'python', (entry, args) => ['python3', entry, ...args], {
    env: { PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' },
  }),
  javascript: row('node:24-slim', 'main.mjs', 'node', (entry, args) => ['node', entry, ...args], {
    limits: { memoryMb: 128 },
  }),
  typescript: row('node:24-slim', 'main.mts', 'node', (entry, args) => ['node', ...typescriptFlags, entry, ...args], {
    limits: { memoryMb: 192 },
  }),
  go: row(
    'golang:1.25',
    'main.go',
    'shell',
    // All files of the package but its tests.
    compiled('entry=$1; shift; (cd "$(dirname "$entry")" && go build -o /tmp/program .) && exec /tmp/program "$@"'),
    {
      limits: { memoryMb: 512, cpus: 2, processes: 256 },
      env: { CGO_ENABLED: '0', GOCACHE: '/tmp/.gocache', GOPATH: '/tmp/go', GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' },
      files: { 'go.mod': 'module sandbox\n' },
      warmUp: goWarmUp,
    },
  ),
  ruby: row('ruby:3.4-slim', 'main.rb', 'ruby', (entry, args) => ['ruby', entry, ...args]),
  bash: row('bash:5.3', 'main.sh', 'shell', (entry, args) => ['bash', entry, ...args]),
  c: row('gcc:15', 'main.c', 'shell', compiled('shift; cc -O1 -o /tmp/program *.c -lm && exec /tmp/program "$@"'), {
    limits: { memoryMb: 256, cpus: 1 },
  }),
  cpp: row('gcc:15', 'main.cpp', 'shell', compiled('shift; c++ -O1 -o /tmp/program *.cpp && exec /tmp/program "$@"'), {
    limits: { memoryMb: 512, cpus: 1 },
  }),
  rust: row(
    'rust:1-slim',
    'main.rs',
    'shell',
    compiled('entry=$1; shift; rustc -o /tmp/program "$entry" && exec /tmp/program "$@"'),
    { limits: { memoryMb: 768, cpus: 1, processes: 128 } },
  ),
  java: row('eclipse-temurin:25-jdk', 'Main.java', 'shell', (entry, args) => ['java', entry, ...args], {
    limits: { memoryMb: 512, cpus: 1, processes: 256 },
    env: { JAVA_TOOL_OPTIONS: '-XX:+UseSerialGC -XX:TieredStopAtLevel=1' },
  }),
};
