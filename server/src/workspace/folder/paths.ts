import { createHash, randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, rmdir, unlink } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { outside, segmentsOf } from './path-names.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/** A file's bytes as they were read, once, from one open file. */
export interface ConfinedFile {
  readonly bytes: Buffer;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  /** Permission bits. */
  readonly mode: number;
}

/** One name in a folder. */
export interface ConfinedEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Of a file, where it was asked for: its size, and when it was last written in milliseconds of Unix time. */
  readonly bytes?: number;
  readonly modified?: number;
}

/** For tests of systems that lack what this one has. */
export interface Means {
  /** Folders are held open and entered through `/proc/self/fd`, so that nothing can be swapped meanwhile. */
  readonly anchored?: boolean;
}

/** Bytes read of one file where the caller states no bound. */
const readBytes = 16 * 2 ** 20;
const listEntries = 50_000;
const canAnchor = process.platform === 'linux' && existsSync('/proc/self/fd');

/**
 * Reads a regular file below `root`.
 *
 * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_too_large`
 */
export async function readConfined(
  root: string,
  path: string,
  options: Means & { readonly maxBytes?: number } = {},
): Promise<ConfinedFile> {
  return worded(path, async () => {
    const segments = await resolved(root, path);
    await using folder = await Folder.open(root, path, segments.slice(0, -1), options);
    // Awaited here: the folder must be held until the file was read.
    return await readIn(folder, path, segments.at(-1), options.maxBytes ?? readBytes);
  });
}

/**
 * Replaces or creates a regular file below `root`: all of the bytes or none, by a rename in the same folder. An
 * existing file keeps its permission bits. Missing folders are made. A symbolic link is refused, not followed.
 *
 * @param expectedHash SHA-256 that the file must still have, null where there must be no file
 * @param mode permission bits of a file that is made; default: what the process's mask leaves
 * @returns the SHA-256 of what was written
 * @throws ProblemError `outside_workspace`, `not_a_file`, `file_changed`
 */
export async function writeConfined(
  root: string,
  path: string,
  bytes: Uint8Array,
  options: Means & { readonly expectedHash?: string | null; readonly mode?: number } = {},
): Promise<string> {
  return worded(path, async () => {
    const segments = await resolved(root, path, true);
    const name = segments.at(-1);
    if (name === undefined) throw notAFile(path, 'the workspace folder itself');
    await using folder = await Folder.open(root, path, segments.slice(0, -1), { ...options, create: true });
    const current = await currentOf(folder, path, name);
    const check = (now: ConfinedFile | null) => {
      if (options.expectedHash !== undefined && (now?.hash ?? null) !== options.expectedHash) throw changed(path);
    };
    check(current);
    const temporary = temporaryName();
    const handle = await open(folder.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, current?.mode ?? 0o666);
    try {
      try {
        await handle.writeFile(bytes);
        // What the process's mask took away when the file was made.
        const mode = current?.mode ?? options.mode;
        if (mode !== undefined) await handle.chmod(mode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await folder.verify();
      if (options.expectedHash === null) {
        // Fails where a file has appeared since, which a rename would replace.
        await link(folder.at(temporary), folder.at(name));
        await unlink(folder.at(temporary));
      } else {
        if (options.expectedHash !== undefined) check(await currentOf(folder, path, name));
        await rename(folder.at(temporary), folder.at(name));
      }
    } catch (error) {
      await unlink(folder.at(temporary)).catch(() => {});
      if (codeOf(error) === 'EEXIST') throw changed(path);
      throw error;
    }
    return hashOf(bytes);
  });
}

/** The names in a folder below `root`, sorted; at most 50,000. `''` is `root` itself. Links are named, not followed. */
export async function listConfined(
  root: string,
  path: string,
  options: Means & { readonly stats?: boolean } = {},
): Promise<ConfinedEntry[]> {
  return worded(path, async () => {
    const segments = await resolved(root, path);
    await using folder = await Folder.open(root, path, segments, options);
    const found = await readdir(folder.at('.'), { withFileTypes: true });
    await folder.verify();
    const entries = found
      .slice(0, listEntries)
      .map((entry): ConfinedEntry => {
        const kind = entry.isFile()
          ? 'file'
          : entry.isDirectory()
            ? 'folder'
            : entry.isSymbolicLink()
              ? 'link'
              : 'other';
        return { name: entry.name, kind };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    if (!options.stats) return entries;
    const sized: ConfinedEntry[] = [];
    for (const entry of entries) {
      const stats = entry.kind === 'file' ? await lstat(folder.at(entry.name)).catch(() => null) : null;
      sized.push(stats ? { ...entry, bytes: stats.size, modified: stats.mtimeMs } : entry);
    }
    return sized;
  });
}

/**
 * Removes a regular file, a link (not what it leads to) or an empty folder below `root`.
 *
 * @param expectedHash SHA-256 that a file must still have
 * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_changed`
 */
export async function removeConfined(
  root: string,
  path: string,
  options: Means & { readonly expectedHash?: string } = {},
): Promise<void> {
  await worded(path, async () => {
    const segments = await resolved(root, path, true);
    const name = segments.at(-1);
    if (name === undefined) throw notAFile(path, 'the workspace folder itself');
    await using folder = await Folder.open(root, path, segments.slice(0, -1), options);
    const stats = await lstat(folder.at(name));
    if (!stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink()) throw notAFile(path, 'a device or a pipe');
    if (options.expectedHash !== undefined) {
      const { hash } = await readIn(folder, path, name, readBytes);
      if (hash !== options.expectedHash) throw changed(path);
    }
    await folder.verify();
    await (stats.isDirectory() ? rmdir(folder.at(name)) : unlink(folder.at(name)));
  });
}

/**
 * Where a path leads when links inside the workspace are followed, as segments below `root`. What follows enters these
 * one by one and follows no link, so that a link put in their way afterwards is an error, not a way out.
 *
 * @param parentOnly the last name stays as it is: it is made, replaced or removed, not entered
 */
async function resolved(root: string, path: string, parentOnly = false): Promise<string[]> {
  const segments = segmentsOf(path);
  const base = await realpath(root);
  const tail = parentOnly ? segments.slice(-1) : [];
  const head = parentOnly ? segments.slice(0, -1) : segments;
  // The deepest folder that exists; what is missing has no links in it.
  for (let depth = head.length; ; depth--) {
    const real = await realpath(join(base, ...head.slice(0, depth))).catch((error) => {
      if (codeOf(error) === 'ENOENT' && depth > 0) return null;
      throw error;
    });
    if (real === null) {
      // A link that leads nowhere is there, though what it leads to is not.
      const there = await lstat(join(base, ...head.slice(0, depth))).catch(() => null);
      if (there?.isSymbolicLink()) throw outside(path, 'a link in it leads nowhere');
      continue;
    }
    const below = relative(base, real);
    if (below === '..' || below.startsWith(`..${sep}`) || below.startsWith(sep) || /^[A-Za-z]:/.test(below)) {
      throw outside(path, 'a link in it leads out');
    }
    return [...below.split(sep).filter(Boolean), ...head.slice(depth), ...tail];
  }
}

/** A folder below the root, held so that its place cannot be taken. */
class Folder {
  private readonly handle: FileHandle | null;
  private readonly place: string;
  private readonly shown: string;
  private readonly identity: string;

  private constructor(handle: FileHandle | null, place: string, shown: string, identity: string) {
    this.handle = handle;
    this.place = place;
    this.shown = shown;
    this.identity = identity;
  }

  static async open(
    root: string,
    path: string,
    segments: readonly string[],
    options: Means & { readonly create?: boolean },
  ): Promise<Folder> {
    const base = await realpath(root);
    const anchored = canAnchor && (options.anchored ?? true);
    let handle = anchored ? await open(base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) : null;
    let place = base;
    try {
      for (const segment of segments) {
        const next = join(handle ? `/proc/self/fd/${handle.fd}` : place, segment);
        if (options.create) {
          await mkdir(next).catch((error) => {
            if (codeOf(error) !== 'EEXIST') throw error;
          });
        }
        place = join(place, segment);
        if (handle) {
          const inner = await open(next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
          await handle.close();
          handle = inner;
        } else if (!(await lstat(next)).isDirectory()) throw outside(path, 'a link is in its way');
      }
      const folder = new Folder(handle, place, path, anchored ? '' : await identityOf(place));
      await folder.verify();
      return folder;
    } catch (error) {
      await handle?.close();
      throw error;
    }
  }

  /** The path by which to reach a name in this folder, as long as it is held. */
  at(name: string): string {
    return join(this.handle ? `/proc/self/fd/${this.handle.fd}` : this.place, name);
  }

  /** Where folders cannot be held open: that the same one is still there, reached without a link. */
  async verify(): Promise<void> {
    if (this.handle) return;
    const now = await realpath(this.place).catch(() => null);
    if (now !== this.place || (await identityOf(this.place)) !== this.identity) {
      throw outside(this.shown, 'its folder was moved meanwhile');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle?.close();
  }
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await lstat(path, { bigint: true });
  return `${dev}:${ino}`;
}

async function readIn(folder: Folder, path: string, name: string | undefined, maxBytes: number): Promise<ConfinedFile> {
  if (name === undefined) throw notAFile(path, 'a folder');
  // Without O_NONBLOCK a pipe without a writer would hold this for ever.
  const handle = await open(folder.at(name), O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAFile(path, stats.isDirectory() ? 'a folder' : 'a device or a pipe');
    await folder.verify();
    if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
    // Files of /proc and files that grow are larger than they say.
    const buffer = Buffer.alloc(Math.min(stats.size, maxBytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > stats.size) throw length > maxBytes ? tooLarge(path, maxBytes) : changed(path);
    const bytes = buffer.subarray(0, length);
    return { bytes, hash: hashOf(bytes), mode: stats.mode & 0o777 };
  } finally {
    await handle.close();
  }
}

async function currentOf(folder: Folder, path: string, name: string): Promise<ConfinedFile | null> {
  try {
    return await readIn(folder, path, name, Number.MAX_SAFE_INTEGER);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

const temporaryName = () => `.${randomBytes(12).toString('hex')}.tmp`;

/** Whether a name is one under which a file is written before it takes its place. */
export function isTemporary(name: string): boolean {
  return /^\.[0-9a-f]{24}\.tmp$/.test(name);
}

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Turns what the file system said into sentences. */
async function worded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    switch (codeOf(error)) {
      case 'ENOENT':
        throw problem('not_found', 404, 'No such file', `There is no ${JSON.stringify(path)} in the workspace.`);
      case 'ELOOP':
      case 'EMLINK':
        throw outside(path, 'a link is in its way');
      case 'ENOTDIR':
        throw notAFile(path, 'not below a folder, or a link where a folder was expected');
      case 'EISDIR':
        throw notAFile(path, 'a folder');
      case 'ENXIO':
      case 'ENODEV':
        throw notAFile(path, 'a device or a pipe');
      case 'ENOTEMPTY':
        throw problem('not_empty', 409, 'Not empty', `The folder ${JSON.stringify(path)} is not empty.`);
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw problem(
          'not_permitted',
          403,
          'Not permitted',
          `The system does not permit this for ${JSON.stringify(path)}.`,
        );
      default:
        throw error;
    }
  }
}

const problem = (code: string, status: number, title: string, detail: string) =>
  new ProblemError({ code, status, title, detail });
const notAFile = (path: string, what: string) =>
  problem(
    'not_a_file',
    422,
    'Not a file',
    `${JSON.stringify(path)} is ${what}; only regular files are read and written.`,
  );
const tooLarge = (path: string, bytes: number) =>
  problem('file_too_large', 413, 'File too large', `${JSON.stringify(path)} is larger than ${bytes} bytes.`);
const changed = (path: string) =>
  problem(
    'file_changed',
    409,
    'File changed',
    `${JSON.stringify(path)} is not the version that was read. Read it again.`,
  );
