import type { ExecutionLimits, Language } from '@devlm/protocol/execution.ts';

/** Default limits. A language that needs more to start has its own, higher limits. */
const defaults: ExecutionLimits = {
  memoryMb: 50,
  cpus: 0.5,
  wallMs: 30_000,
  processes: 64,
  outputBytes: 1024 * 1024,
  fileBytes: 64 * 1024 * 1024,
};

/** Name of a boot program, which waits in a started container. Each has a file in `docker/boot/`. */
export type Boot = 'python' | 'node' | 'ruby' | 'shell';

/** Properties of a language. */
export interface LanguageRow {
  /** Official image, which the configuration can override. */
  readonly image: string;
  /** Name of the file for a single source, and default name of the entry. */
  readonly file: string;
  /** Boot program. It waits with its interpreter loaded, except `shell`, which starts the command when it has a program. */
  readonly boot: Boot;
  /** Returns the command that runs an entry in the working folder. */
  readonly command: (entry: string, args: readonly string[]) => readonly string[];
  readonly limits: ExecutionLimits;
  /** Environment variables that the language needs. */
  readonly env: Readonly<Record<string, string>>;
  /** Shell command that fills a compiler's caches. It runs once before a container waits. */
  readonly warmUp: string | null;
  /** Required files by path, which are added if they are missing. */
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

/** Flags for enums and namespaces, which plain type stripping does not support. */
const typescriptFlags = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning'];

/** Returns a command that compiles the entry (`$1`) with a script and runs the program with its arguments. */
const compiled = (script: string) => (entry: string, args: readonly string[]) => [
  'sh',
  '-c',
  script,
  'sh',
  entry,
  ...args,
];

/** Script that compiles the packages that most Go programs use; `testing` imports many of them. */
const goWarmUp = `mkdir /tmp/warm && cd /tmp/warm && echo 'module warm' >go.mod && echo 'package main
import ("bufio"; "encoding/json"; "fmt"; "math"; "os"; "sort"; "strconv"; "strings"; "sync"; "testing"; "time")
var _ = []any{bufio.ScanLines, json.Marshal, math.Sqrt, os.Args, sort.Ints, strconv.Itoa, strings.Fields, new(sync.Mutex), testing.Short, time.Now}
func main() { fmt.Println() }' >main.go && go build -o /dev/null .; cd /; rm -r /tmp/warm`;

/** Languages of the sandbox. */
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
    // Builds all files of the package except its tests.
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
