import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type GuestJob, sendOutput, sleep } from './channel.ts';
import { frameKinds } from './frames.ts';
import { pythonDriver } from './python-driver.ts';
import { outFolder, type PackageFile, type ProgramExit, type Runtime, workFolder } from './runtime.ts';

interface StreamOperations {
  write(
    stream: { position: number },
    data: Uint8Array,
    from: number,
    length: number,
    at?: number,
    own?: boolean,
  ): number;
}

interface EmscriptenFs {
  readonly ErrnoError: new (errno: number) => Error;
  readonly filesystems: {
    readonly MEMFS: { readonly ops_table: { readonly file: { readonly stream: StreamOperations } } };
  };
  mkdirTree(path: string): void;
  writeFile(path: string, data: Uint8Array): void;
  readFile(path: string): Uint8Array;
  readdir(path: string): string[];
  lstat(path: string): { mode: number };
  isDir(mode: number): boolean;
  isFile(mode: number): boolean;
}

interface Pyodide {
  readonly version: string;
  readonly FS: EmscriptenFs;
  makeMemorySnapshot(): Uint8Array;
  registerJsModule(name: string, module: object): void;
  runPython(code: string): unknown;
  setStdin(options: { read(buffer: Uint8Array): number; isatty: boolean }): void;
  setStdout(options: { write(buffer: Uint8Array): number; isatty: boolean }): void;
  setStderr(options: { write(buffer: Uint8Array): number; isatty: boolean }): void;
}

/** Emscripten's number for EFBIG. */
const errnoFileTooLarge = 22;

async function load(packageFile: PackageFile, options: object): Promise<Pyodide> {
  const { loadPyodide } = await import(pathToFileURL(packageFile('pyodide', 'pyodide.mjs')).href);
  return loadPyodide({ indexURL: packageFile('pyodide', ''), ...options });
}

/** Returns a memory snapshot of a Python interpreter with the driver and common modules loaded. */
export async function makePythonSnapshot(packageFile: PackageFile): Promise<Uint8Array> {
  const python = await load(packageFile, { _makeSnapshot: true });
  python.runPython(pythonDriver);
  return python.makeMemorySnapshot();
}

/** Loads Python from a snapshot, ready for its program. */
export async function createPython(packageFile: PackageFile, snapshot: string): Promise<Runtime> {
  const python = await load(packageFile, { _loadSnapshot: readFileSync(snapshot) });
  const writer = (kind: typeof frameKinds.stdout | typeof frameKinds.stderr) => ({
    isatty: false,
    write: (bytes: Uint8Array) => {
      sendOutput(kind, bytes);
      return bytes.length;
    },
  });
  let stdin: Uint8Array = new Uint8Array();
  python.setStdin({
    isatty: false,
    read(buffer) {
      const piece = stdin.subarray(0, buffer.length);
      buffer.set(piece);
      stdin = stdin.subarray(piece.length);
      return piece.length;
    },
  });
  python.setStdout(writer(frameKinds.stdout));
  python.setStderr(writer(frameKinds.stderr));
  // Read now, because `FS` is not available after the interpreter has ended, although its files still are.
  const fs = python.FS;
  let task = '';
  python.registerJsModule('_devlm_host', { sleep, task: () => task });
  // The first call compiles functions that every program needs.
  const version = String(python.runPython('_devlm_ready()'));
  return {
    version: `pyodide ${python.version} (Python ${version})`,
    run(job) {
      stdin = job.stdin;
      prepareFiles(fs, job);
      task = JSON.stringify({ program: job.program, args: job.args, env: job.env });
      try {
        const ending: ProgramExit = JSON.parse(String(python.runPython('_devlm_run()')));
        return ending;
      } catch (error) {
        return exitOf(error);
      }
    },
    artifacts: () => filesIn(fs, outFolder),
  };
}

/** Returns the ending for an error that ended the interpreter itself. */
function exitOf(error: unknown): ProgramExit {
  if (error instanceof Error && 'status' in error && typeof error.status === 'number') {
    // `os._exit`
    return { exitCode: error.status & 255, outOfMemory: false };
  }
  const text = error instanceof Error ? error.message : JSON.stringify(error);
  const isStackOverflow = /call stack/i.test(text);
  const message = isStackOverflow
    ? 'RecursionError: maximum recursion depth exceeded'
    : `Fatal Python error: ${text.slice(0, 1000)}`;
  sendOutput(frameKinds.stderr, Buffer.from(`${message}\n`));
  return { exitCode: 1, outOfMemory: !isStackOverflow && /out of memory|MemoryError|allocation failed/i.test(text) };
}

function prepareFiles(fs: EmscriptenFs, job: GuestJob): void {
  fs.mkdirTree(outFolder);
  for (const [path, data] of job.contents) {
    const full = `${workFolder}/${path}`;
    fs.mkdirTree(full.slice(0, full.lastIndexOf('/')));
    fs.writeFile(full, data);
  }
  const operations = fs.filesystems.MEMFS.ops_table.file.stream;
  const write = operations.write;
  operations.write = (stream, data, from, length, at, own) => {
    if ((at ?? stream.position) + length > job.limits.fileBytes) throw new fs.ErrnoError(errnoFileTooLarge);
    return write(stream, data, from, length, at, own);
  };
}

/** Yields the regular files below a folder. Skips links, devices and unreadable files. */
function* filesIn(fs: EmscriptenFs, path: string, name = ''): Iterable<readonly [string, Uint8Array]> {
  const mode = valueOrNull(() => fs.lstat(path).mode) ?? 0;
  if (fs.isDir(mode)) {
    for (const entry of (valueOrNull(() => fs.readdir(path)) ?? []).sort()) {
      if (entry !== '.' && entry !== '..')
        yield* filesIn(fs, `${path}/${entry}`, name === '' ? entry : `${name}/${entry}`);
    }
  } else if (fs.isFile(mode) && name !== '') {
    const data = valueOrNull(() => fs.readFile(path));
    if (data) yield [name, data];
  }
}

function valueOrNull<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}
