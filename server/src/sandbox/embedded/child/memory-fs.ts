/** File system error with a code as in Node. The guest library converts it to an error of the guest. */
export class FsError extends Error {
  readonly code: string;

  constructor(code: string, what: string, call: string, path: string) {
    super(`${code}: ${what}, ${call} '${path}'`);
    this.code = code;
  }
}

interface Folder {
  readonly entries: Map<string, Node>;
  mtime: number;
}
interface PlainFile {
  data: Uint8Array;
  mtime: number;
}
type Node = Folder | PlainFile;

/** In-memory file system of a QuickJS program, with the error codes of Node. */
export class MemoryFs {
  readonly #root: Folder = folder();
  readonly #fileBytes: number;
  readonly #totalBytes: number;
  #used = 0;

  /**
   * @param fileBytes maximum size of a file, in bytes
   * @param totalBytes maximum size of all files together, in bytes
   */
  constructor(fileBytes: number, totalBytes: number) {
    this.#fileBytes = fileBytes;
    this.#totalBytes = totalBytes;
  }

  read(path: string): Uint8Array {
    const node = this.#get(path, 'open');
    if ('entries' in node) throw new FsError('EISDIR', 'illegal operation on a directory', 'read', path);
    return node.data;
  }

  write(path: string, data: Uint8Array, append = false): void {
    const { parent, name } = this.#place(path, 'open');
    const existing = parent.entries.get(name);
    if (existing && 'entries' in existing)
      throw new FsError('EISDIR', 'illegal operation on a directory', 'open', path);
    const before = existing?.data.length ?? 0;
    const after = append ? before + data.length : data.length;
    if (after > this.#fileBytes) throw new FsError('EFBIG', 'file too large', 'write', path);
    if (this.#used + after - before > this.#totalBytes) throw new FsError('ENOSPC', 'no space left', 'write', path);
    this.#used += after - before;
    const content = append && existing ? Buffer.concat([existing.data, data]) : Uint8Array.from(data);
    parent.entries.set(name, { data: content, mtime: Date.now() });
  }

  mkdir(path: string, recursive: boolean): void {
    const names = split(path);
    let at = this.#root;
    for (const [i, name] of names.entries()) {
      const next = at.entries.get(name);
      const last = i === names.length - 1;
      if (next && !('entries' in next))
        throw new FsError(last ? 'EEXIST' : 'ENOTDIR', 'not a directory', 'mkdir', path);
      if (next && last && !recursive) throw new FsError('EEXIST', 'file already exists', 'mkdir', path);
      if (!next && !last && !recursive) throw new FsError('ENOENT', 'no such file or directory', 'mkdir', path);
      const child = next ?? folder();
      if (!next) {
        this.#writable(names, 'mkdir', path);
        at.entries.set(name, child);
      }
      at = child;
    }
  }

  readdir(path: string): { name: string; folder: boolean }[] {
    const node = this.#get(path, 'scandir');
    if (!('entries' in node)) throw new FsError('ENOTDIR', 'not a directory', 'scandir', path);
    const names = [...node.entries].map(([name, entry]) => ({ name, folder: 'entries' in entry }));
    return names.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  stat(path: string): { folder: boolean; size: number; mtime: number } {
    const node = this.#get(path, 'stat');
    return 'entries' in node
      ? { folder: true, size: 4096, mtime: node.mtime }
      : { folder: false, size: node.data.length, mtime: node.mtime };
  }

  isFile(path: string): boolean {
    const node = this.#find(path);
    return node !== null && !('entries' in node);
  }

  remove(path: string, recursive: boolean): void {
    const node = this.#get(path, 'rm');
    if ('entries' in node && node.entries.size > 0 && !recursive) {
      throw new FsError('ENOTEMPTY', 'directory not empty', 'rm', path);
    }
    const { parent, name } = this.#place(path, 'rm');
    for (const [, data] of files(node)) this.#used -= data.length;
    parent.entries.delete(name);
  }

  rename(from: string, to: string): void {
    const node = this.#get(from, 'rename');
    const target = this.#place(to, 'rename');
    const source = this.#place(from, 'rename');
    source.parent.entries.delete(source.name);
    target.parent.entries.set(target.name, node);
  }

  /** Yields every file below a folder, by its path relative to the folder. */
  *below(path: string): Iterable<readonly [string, Uint8Array]> {
    const node = this.#find(path);
    if (node) yield* files(node);
  }

  #find(path: string): Node | null {
    let at: Node = this.#root;
    for (const name of split(path)) {
      const next: Node | undefined = 'entries' in at ? at.entries.get(name) : undefined;
      if (!next) return null;
      at = next;
    }
    return at;
  }

  #get(path: string, call: string): Node {
    const node = this.#find(path);
    if (!node) throw new FsError('ENOENT', 'no such file or directory', call, path);
    return node;
  }

  #place(path: string, call: string): { parent: Folder; name: string } {
    const names = split(path);
    const name = names.at(-1);
    const parent = this.#get(`/${names.slice(0, -1).join('/')}`, call);
    if (name === undefined || !('entries' in parent)) throw new FsError('ENOTDIR', 'not a directory', call, path);
    this.#writable(names, call, path);
    return { parent, name };
  }

  /** Throws unless the path is in the working folder or /tmp, the only writable folders, as in a container. */
  #writable(names: readonly string[], call: string, path: string): void {
    if (names.length < 2 && (names[0] === 'sandbox' || names[0] === 'tmp')) return;
    if (names[0] !== 'sandbox' && names[0] !== 'tmp') throw new FsError('EROFS', 'read-only file system', call, path);
  }
}

function folder(): Folder {
  return { entries: new Map(), mtime: Date.now() };
}

function split(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

function* files(node: Node, path = ''): Iterable<readonly [string, Uint8Array]> {
  if ('data' in node) yield [path, node.data];
  else for (const [name, entry] of node.entries) yield* files(entry, path === '' ? name : `${path}/${name}`);
}
