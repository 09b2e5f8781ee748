import type { Language } from '@devlm/protocol/execution.ts';
import type { Program } from './sandboxes.ts';

/** Tasks that every language has to perform, each as a program. */
export interface Programs {
  /** Prints `hello`. */
  readonly hello: string;
  /** Prints the number of bytes of standard input, which may have 10 MB. */
  readonly countInput: string;
  /** Prints standard input unchanged. */
  readonly echo: string;
  /** Prints its arguments, one per line. */
  readonly args: string;
  /** Prints the variable GREETING. */
  readonly env: string;
  /** Prints `5`, computed by a function of another file. */
  readonly multi: Program;
  /** Prints the file `données/ファイル.txt`, which is an input of the run. */
  readonly readsFile: string;
  /** Prints `out`, `err`, `out`, `err` on the two output streams, with pauses. */
  readonly byTurns: string;
  /** Prints the bytes 0 to 255. */
  readonly binary: string;
  /** Programs for test frameworks: each passes unchanged, and fails if `5` is replaced by `6`. */
  readonly tests: Readonly<Record<string, Program>>;
  readonly compileError: { readonly source: string; readonly says: RegExp };
  readonly runtimeError: { readonly source: string; readonly says: RegExp };
  /** Exits with code 7. */
  readonly exit: string;
  /** Prints `ready`, then loops forever. */
  readonly loop: string;
  readonly memoryHog: string;
  readonly forkBomb: string;
  readonly flood: string;
  /** Connects to the host and the port in its arguments, and exits with 0 if it succeeds. */
  readonly connect: string;
  /** Writes to `/etc/devlm`, `/usr/bin/devlm` and `/devlm`; exits with 0 if it can write one of them. */
  readonly writeOutside: string;
  /** Writes `abc` to `/sandbox/out/a.txt` and `x` 300,000 times to `/sandbox/out/sub/größe.bin`. */
  readonly artifacts: string;
}

const files = (contents: Readonly<Record<string, string>>) =>
  Object.entries(contents).map(([path, content]) => ({ path, content }));

const python: Programs = {
  hello: 'print("hello")',
  countInput: 'import sys\nn = 0\nwhile b := sys.stdin.buffer.read(65536): n += len(b)\nprint(n)',
  echo: 'import sys\nsys.stdout.write(sys.stdin.read())',
  args: 'import sys\nprint("\\n".join(sys.argv[1:]))',
  env: 'import os\nprint(os.environ["GREETING"])',
  multi: {
    language: 'python',
    files: files({
      'main.py': 'from tools.sums import add\nprint(add(2, 3))',
      'tools/__init__.py': '',
      'tools/sums.py': 'def add(a, b):\n    return a + b',
    }),
  },
  readsFile: 'print(open("données/ファイル.txt", encoding="utf-8", newline="").read(), end="")',
  byTurns: `import sys, time
for _ in range(2):
    print("out", flush=True)
    time.sleep(0.15)
    print("err", file=sys.stderr, flush=True)
    time.sleep(0.15)`,
  binary: 'import sys\nsys.stdout.buffer.write(bytes(range(256)))',
  tests: {
    unittest: {
      language: 'python',
      files: files({
        'sums.py': 'def add(a, b):\n    return a + b',
        'test_sums.py':
          'import unittest\nfrom sums import add\nclass Sums(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(2, 3), 5)',
      }),
      command: ['python3', '-m', 'unittest'],
    },
    pytest: {
      language: 'python',
      files: files({
        'sums.py': 'def add(a, b):\n    return a + b',
        'test_sums.py': 'from sums import add\ndef test_add():\n    assert add(2, 3) == 5',
      }),
      command: ['python3', '-m', 'pytest', '-q', '-p', 'no:cacheprovider'],
    },
  },
  compileError: { source: 'print("never")\ndef broken(:\n  pass', says: /SyntaxError/ },
  runtimeError: { source: 'def fail():\n  return {}["missing"]\nfail()', says: /main\.py[\s\S]*KeyError: 'missing'/ },
  exit: 'import sys\nsys.exit(7)',
  loop: 'print("ready", flush=True)\nwhile True: pass',
  memoryHog: 'kept = []\nwhile True: kept.append(b"x" * (1 << 20) + bytes([len(kept) % 256]))',
  forkBomb: 'import os\nwhile True:\n    try: os.fork()\n    except OSError: pass',
  flood: 'while True: print("x" * 1000)',
  connect: 'import socket, sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2)',
  writeOutside: `import sys
for path in ["/etc/devlm", "/usr/bin/devlm", "/devlm"]:
    try:
        open(path, "w").write("x")
        sys.exit(0)
    except OSError as error:
        print(error)
sys.exit(9)`,
  artifacts: `import os
os.makedirs("/sandbox/out/sub", exist_ok=True)
open("/sandbox/out/a.txt", "w").write("abc")
open("/sandbox/out/sub/größe.bin", "w").write("x" * 300000)`,
};

const javascript: Programs = {
  hello: 'console.log("hello")',
  countInput: 'import { readFileSync } from "node:fs"; console.log(readFileSync(0).length)',
  echo: 'import { readFileSync } from "node:fs"; process.stdout.write(readFileSync(0, "utf8"))',
  args: 'console.log(process.argv.slice(2).join("\\n"))',
  env: 'console.log(process.env.GREETING)',
  multi: {
    language: 'javascript',
    files: files({
      'main.mjs': 'import { add } from "./tools/sums.mjs";\nconsole.log(add(2, 3));',
      'tools/sums.mjs': 'export const add = (a, b) => a + b;',
    }),
  },
  readsFile:
    'import { readFileSync } from "node:fs"; process.stdout.write(readFileSync("données/ファイル.txt", "utf8"))',
  byTurns: `const pause = () => new Promise((done) => setTimeout(done, 150));
for (let i = 0; i < 2; i++) { console.log("out"); await pause(); console.error("err"); await pause(); }`,
  binary: 'process.stdout.write(Uint8Array.from({ length: 256 }, (_, i) => i))',
  tests: {
    'node:test': {
      language: 'javascript',
      files: files({
        'sums.mjs': 'export const add = (a, b) => a + b;',
        'sums.test.mjs':
          'import test from "node:test";\nimport assert from "node:assert/strict";\nimport { add } from "./sums.mjs";\ntest("add", () => assert.equal(add(2, 3), 5));',
      }),
      command: ['node', '--test'],
    },
  },
  compileError: { source: 'console.log("never");\nlet = = 1;', says: /SyntaxError|unexpected token/i },
  runtimeError: { source: 'function fail() { return null.missing; }\nfail();', says: /TypeError[\s\S]*main\.mjs/ },
  exit: 'process.exit(7)',
  loop: 'console.log("ready"); setTimeout(() => { for (;;); }, 10);',
  memoryHog: 'const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1));',
  forkBomb: `import { spawn } from "node:child_process";
for (;;) { try { spawn(process.execPath, [process.argv[1]], { stdio: "ignore" }).on("error", () => {}); } catch {} }`,
  flood: 'import { writeSync } from "node:fs"; for (;;) writeSync(1, "x".repeat(1000) + "\\n");',
  connect: `import { connect } from "node:net";
connect(Number(process.argv[3]), process.argv[2]).on("connect", () => process.exit(0)).on("error", (error) => { throw error; });`,
  writeOutside: `import { writeFileSync } from "node:fs";
for (const path of ["/etc/devlm", "/usr/bin/devlm", "/devlm"]) {
  try { writeFileSync(path, "x"); process.exit(0); } catch (error) { console.log(error.message); }
}
process.exit(9);`,
  artifacts: `import { mkdirSync, writeFileSync } from "node:fs";
mkdirSync("/sandbox/out/sub", { recursive: true });
writeFileSync("/sandbox/out/a.txt", "abc");
writeFileSync("/sandbox/out/sub/größe.bin", "x".repeat(300000));`,
};

const typescript: Programs = {
  ...javascript,
  hello: 'enum Word { Hello = "hello" }\nconst said: string = Word.Hello;\nconsole.log(said);',
  multi: {
    language: 'typescript',
    files: files({
      'main.mts': 'import { add, type Sum } from "./tools/sums.mts";\nconst sum: Sum = add(2, 3);\nconsole.log(sum);',
      'tools/sums.mts': 'export type Sum = number;\nexport const add = (a: number, b: number): Sum => a + b;',
    }),
  },
  tests: {
    'node:test': {
      language: 'typescript',
      files: files({
        'sums.mts': 'export const add = (a: number, b: number): number => a + b;',
        'sums.test.mts':
          'import test from "node:test";\nimport assert from "node:assert/strict";\nimport { add } from "./sums.mts";\ntest("add", () => { assert.equal(add(2, 3) as number, 5); });',
      }),
      command: ['node', '--test', '--test-isolation=none'],
    },
  },
  compileError: { source: 'console.log("never");\nlet x: = 1;', says: /SyntaxError|Unexpected token|expect/i },
  runtimeError: {
    source: 'function fail(value: null): void { (value as any).missing; }\nfail(null);',
    says: /TypeError[\s\S]*main\.mts/,
  },
};

const ruby: Programs = {
  hello: 'puts "hello"',
  countInput: 'n = 0\nwhile (b = $stdin.read(65536)) do n += b.bytesize end\nputs n',
  echo: '$stdout.write($stdin.read)',
  args: 'puts ARGV',
  env: 'puts ENV.fetch("GREETING")',
  multi: {
    language: 'ruby',
    files: files({
      'main.rb': 'require_relative "tools/sums"\nputs add(2, 3)',
      'tools/sums.rb': 'def add(a, b) = a + b',
    }),
  },
  readsFile: 'print File.read("données/ファイル.txt", encoding: "UTF-8")',
  byTurns:
    '2.times do\n$stdout.puts "out"; $stdout.flush; sleep 0.15; $stderr.puts "err"; $stderr.flush; sleep 0.15\nend',
  binary: '$stdout.binmode; $stdout.write((0..255).to_a.pack("C*"))',
  tests: {
    minitest: {
      language: 'ruby',
      files: files({
        'sums.rb': 'def add(a, b) = a + b',
        'test_sums.rb':
          'require "minitest/autorun"\nrequire_relative "sums"\nclass SumsTest < Minitest::Test\n  def test_add = assert_equal(5, add(2, 3))\nend',
      }),
      entry: 'test_sums.rb',
    },
  },
  compileError: { source: 'puts "never"\ndef broken(\n', says: /syntax error|SyntaxError/ },
  runtimeError: { source: 'def fail_now = {}.fetch(:missing)\nfail_now', says: /main\.rb[\s\S]*KeyError/ },
  exit: 'exit 7',
  loop: 'puts "ready"; $stdout.flush; loop {}',
  memoryHog: 'kept = []\nloop { kept << ("x" * 1_000_000) }',
  forkBomb: 'loop { begin; fork { }; rescue SystemCallError; end }',
  flood: 'loop { $stdout.write("x" * 1000 + "\\n") }',
  connect: 'require "socket"\nTCPSocket.new(ARGV[0], ARGV[1].to_i, connect_timeout: 2)',
  writeOutside: `["/etc/devlm", "/usr/bin/devlm", "/devlm"].each do |path|
  File.write(path, "x")
  exit 0
rescue SystemCallError => error
  puts error.message
end
exit 9`,
  artifacts: `require "fileutils"
FileUtils.mkdir_p("/sandbox/out/sub")
File.write("/sandbox/out/a.txt", "abc")
File.write("/sandbox/out/sub/größe.bin", "x" * 300000)`,
};

const goMain = (body: string, ...imports: string[]) =>
  `package main\n\nimport (\n${imports.map((name) => `\t"${name}"`).join('\n')}\n)\n\nfunc main() {\n${body}\n}\n`;

const go: Programs = {
  hello: goMain('fmt.Println("hello")', 'fmt'),
  countInput: goMain('n, _ := io.Copy(io.Discard, os.Stdin); fmt.Println(n)', 'fmt', 'io', 'os'),
  echo: goMain('io.Copy(os.Stdout, os.Stdin)', 'io', 'os'),
  args: goMain('fmt.Println(strings.Join(os.Args[1:], "\\n"))', 'fmt', 'os', 'strings'),
  env: goMain('fmt.Println(os.Getenv("GREETING"))', 'fmt', 'os'),
  multi: {
    language: 'go',
    files: files({
      'main.go': goMain('fmt.Println(sums.Add(2, three()))', 'fmt', 'sandbox/sums'),
      'three.go': 'package main\n\nfunc three() int { return 3 }\n',
      'sums/sums.go': 'package sums\n\nfunc Add(a, b int) int { return a + b }\n',
    }),
  },
  readsFile: goMain('data, _ := os.ReadFile("données/ファイル.txt"); os.Stdout.Write(data)', 'os'),
  byTurns: goMain(
    'for i := 0; i < 2; i++ {\nos.Stdout.WriteString("out\\n"); time.Sleep(150e6); os.Stderr.WriteString("err\\n"); time.Sleep(150e6)\n}',
    'os',
    'time',
  ),
  binary: goMain('for i := 0; i < 256; i++ { os.Stdout.Write([]byte{byte(i)}) }', 'os'),
  tests: {
    'go test': {
      language: 'go',
      files: files({
        'sums.go': 'package sums\n\nfunc Add(a, b int) int { return a + b }\n',
        'sums_test.go':
          'package sums\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(2, 3) != 5 {\n\t\tt.Fatal("wrong sum")\n\t}\n}\n',
      }),
      command: ['go', 'test', './...'],
    },
  },
  compileError: { source: goMain('var unused int'), says: /main\.go:\d+/ },
  runtimeError: {
    source: goMain('var m map[string]int; m[os.Args[0]] = 1', 'os'),
    says: /panic: assignment to entry in nil map[\s\S]*main\.go/,
  },
  exit: goMain('os.Exit(7)', 'os'),
  loop: goMain('os.Stdout.WriteString("ready\\n"); for {}', 'os'),
  memoryHog: goMain(
    'var kept [][]byte\nfor {\nb := make([]byte, 1<<20)\nfor i := range b { b[i] = 1 }\nkept = append(kept, b)\nif len(kept) < 0 { os.Exit(1) }\n}',
    'os',
  ),
  forkBomb: goMain('for { exec.Command(os.Args[0]).Start() }', 'os', 'os/exec'),
  flood: goMain('for { os.Stdout.WriteString(strings.Repeat("x", 1000) + "\\n") }', 'os', 'strings'),
  connect: goMain(
    '_, err := net.DialTimeout("tcp", net.JoinHostPort(os.Args[1], os.Args[2]), 2e9)\nif err != nil { panic(err) }',
    'net',
    'os',
  ),
  writeOutside: goMain(
    'for _, path := range []string{"/etc/devlm", "/usr/bin/devlm", "/devlm"} {\nif os.WriteFile(path, []byte("x"), 0644) == nil { os.Exit(0) }\n}\nos.Exit(9)',
    'os',
  ),
  artifacts: goMain(
    'os.MkdirAll("/sandbox/out/sub", 0755)\nos.WriteFile("/sandbox/out/a.txt", []byte("abc"), 0644)\nos.WriteFile("/sandbox/out/sub/größe.bin", []byte(strings.Repeat("x", 300000)), 0644)',
    'os',
    'strings',
  ),
};

const bash: Programs = {
  hello: 'echo hello',
  countInput: 'wc -c',
  echo: 'cat',
  args: 'printf "%s\\n" "$@"',
  env: 'echo "$GREETING"',
  multi: {
    language: 'bash',
    files: files({
      'main.sh': '. ./tools/sums.sh\nadd 2 3',
      'tools/sums.sh': 'add() { echo $(($1 + $2)); }',
    }),
  },
  readsFile: 'cat "données/ファイル.txt"',
  byTurns: 'for i in 1 2; do echo out; sleep 0.15; echo err >&2; sleep 0.15; done',
  binary: 'for i in $(seq 0 255); do printf "\\\\$(printf %03o "$i")"; done',
  tests: {
    asserts: { language: 'bash', source: '[ $((2 + 3)) = 5 ] || { echo wrong; exit 1; }' },
  },
  compileError: { source: 'if true; then\n  echo never', says: /syntax error/ },
  runtimeError: { source: 'set -eu\necho "$missing"', says: /main\.sh: line 2: missing: unbound variable/ },
  exit: 'exit 7',
  loop: 'echo ready; while :; do :; done',
  memoryHog: 'a=x; while :; do a=$a$a; done',
  forkBomb: 'bomb() { bomb | bomb & }; bomb; sleep 30',
  flood: 'while :; do printf "%01000d\\n" 0; done',
  connect: 'exec 3<>"/dev/tcp/$1/$2"',
  writeOutside: 'for path in /etc/devlm /usr/bin/devlm /devlm; do echo x >"$path" && exit 0; done; exit 9',
  artifacts:
    'mkdir -p /sandbox/out/sub; printf abc >/sandbox/out/a.txt; head -c 300000 /dev/zero | tr "\\0" x >/sandbox/out/sub/größe.bin',
};

/** The programs of each language. */
export const programs: Readonly<Partial<Record<Language, Programs>>> = {
  python,
  javascript,
  typescript,
  go,
  ruby,
  bash,
};
