import * as vscode from 'vscode';

/** An in-memory file system, as in a virtual workspace. Writing to files in `locked` fails. */
export class VirtualFiles implements vscode.FileSystemProvider {
  readonly files = new Map<string, Uint8Array>();
  readonly locked = new Set<string>();
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changed.event;
  #time = 1;

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  stat({ path }: vscode.Uri): vscode.FileStat {
    const bytes = this.files.get(path);
    if (bytes) return { type: vscode.FileType.File, ctime: 1, mtime: this.#time, size: bytes.length };
    if (this.#below(path).length === 0 && path !== '/') throw vscode.FileSystemError.FileNotFound(path);
    return { type: vscode.FileType.Directory, ctime: 1, mtime: 1, size: 0 };
  }

  readDirectory({ path }: vscode.Uri): [string, vscode.FileType][] {
    const entries = new Map<string, vscode.FileType>();
    for (const name of this.#below(path)) {
      const [first = '', ...rest] = name.split('/');
      entries.set(first, rest.length > 0 ? vscode.FileType.Directory : vscode.FileType.File);
    }
    return [...entries];
  }

  createDirectory(): void {}

  readFile({ path }: vscode.Uri): Uint8Array {
    const bytes = this.files.get(path);
    if (!bytes) throw vscode.FileSystemError.FileNotFound(path);
    return bytes;
  }

  writeFile(uri: vscode.Uri, content: Uint8Array): void {
    if (this.locked.has(uri.path)) throw vscode.FileSystemError.Unavailable('the disk is full');
    this.#time++;
    this.files.set(uri.path, content);
    this.#changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }

  delete(uri: vscode.Uri): void {
    if (this.locked.has(uri.path)) throw vscode.FileSystemError.Unavailable('the disk is full');
    this.files.delete(uri.path);
    this.#changed.fire([{ type: vscode.FileChangeType.Deleted, uri }]);
  }

  rename(): void {
    throw vscode.FileSystemError.NoPermissions();
  }

  #below(path: string): string[] {
    const folder = path.replace(/\/?$/, '/');
    return [...this.files.keys()].filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length));
  }
}
