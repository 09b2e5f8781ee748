import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, rmdir, unlink } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { sha256Hex } from '../../sha256.ts';
import { outside, segmentsOf } from './path-names.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/** Content of a file, read at once from one open file. */
export interface ConfinedFile {
  readonly bytes: Buffer;
  /** SHA-256 of the content, in hex. */
  readonly hash: string;
  /** Permission bits. */
  readonly mode: number;
}

/** An entry of a folder. */
export interface ConfinedEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Size of a file in bytes, if `stats` was requested. */
  readonly bytes?: number;
  /** Time of the last change to a file, in milliseconds since 1970, if `stats` was requested. */
  readonly modified?: number;
}

/** Options of all functions. They exist for tests that simulate a system without the features of this one. */
export interface ConfinedOptions {
  /**
   * Whether folders are held open and entered through `/proc/self/fd`, so that nothing can be replaced in the meantime.
   * Default: true where the system supports it.
   */
  readonly anchored?: boolean;
}

/** Default maximum size of a file that is read, in bytes. */
const defaultMaxBytes = 16 * 2 ** 20;
/** Maximum number of entries that are listed. */
const maxListEntries = 50_000;
const canAnchor = process.platform === 'linux' && existsSync('/proc/self/fd');

/**
 * Reads a regular file below `root`.
 *
 * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_too_large`
 */
export async function readConfined(
  root: string,
  path: string,
  options: ConfinedOptions & { readonly maxBytes?: number } = {},
): Promise<ConfinedFile> {
  return withProblems(path, async () => {
    const segments = await resolveSegments(root, path);
    await using folder = await ConfinedFolder.open(root, path, segments.slice(0, -1), options);
    // Awaited here, because the folder must be held until the file was read.
    return await readIn(folder, path, segments.at(-1), options.maxBytes ?? defaultMaxBytes);
  });
}

/**
 * Creates or replaces a regular file below `root`, by a rename in the same folder: all of the bytes are written or none.
 * An existing file keeps its permission bits. Missing folders are created. A symbolic link is rejected, not followed.
 *
 * @param expectedHash SHA-256 that the file must still have; null if there must be no file
 * @param mode permission bits of a new file; default: 0666 without the bits of the umask
 * @returns the SHA-256 of the bytes written, in hex
 * @throws ProblemError `outside_workspace`, `not_a_file`, `file_changed`
 */
export async function writeConfined(
  root: string,
  path: string,
  bytes: Uint8Array,
  options: ConfinedOptions & { readonly expectedHash?: string | null; readonly mode?: number } = {},
): Promise<string> {
  return withProblems(path, async () => {
    const segments = await resolveSegments(root, path, true);
    const name = segments.at(-1);
    if (name === undefined) throw notAFile(path, 'the workspace folder itself');
    await using folder = await ConfinedFolder.open(root, path, segments.slice(0, -1), { ...options, create: true });
    const existing = await currentOf(folder, path, name);
    const check = (now: ConfinedFile | null) => {
      if (options.expectedHash !== undefined && (now?.hash ?? null) !== options.expectedHash) throw fileChanged(path);
    };
    check(existing);
    const temporary = temporaryName();
    const handle = await open(folder.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, existing?.mode ?? 0o666);
    try {
      try {
        await handle.writeFile(bytes);
        // Restores the bits that the umask removed when the file was created.
        const mode = existing?.mode ?? options.mode;
        if (mode !== undefined) await handle.chmod(mode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await folder.verify();
      if (options.expectedHash === null) {
        // Unlike a rename, this fails if the file has appeared since.
        await link(folder.at(temporary), folder.at(name));
        await unlink(folder.at(temporary));
      } else {
        if (options.expectedHash !== undefined) check(await currentOf(folder, path, name));
        await rename(folder.at(temporary), folder.at(name));
      }
    } catch (error) {
      await unlink(folder.at(temporary)).catch(() => {});
      if (codeOf(error) === 'EEXIST') throw fileChanged(path);
      throw error;
    }
    return sha256Hex(bytes);
  });
}

/**
 * Returns the entries of a folder below `root`, sorted by name, at most 50,000. The path `''` is `root` itself. Links are
 * listed, not followed.
 *
 * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`
 */
export async function listConfined(
  root: string,
  path: string,
  options: ConfinedOptions & { readonly stats?: boolean } = {},
): Promise<ConfinedEntry[]> {
  return withProblems(path, async () => {
    const segments = await resolveSegments(root, path);
    await using folder = await ConfinedFolder.open(root, path, segments, options);
    const found = await readdir(folder.at('.'), { withFileTypes: true });
    await folder.verify();
    const entries = found
      .slice(0, maxListEntries)
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
 * Removes a regular file, a link (not its target) or an empty folder below `root`.
 *
 * @param expectedHash SHA-256 that the file must still have; default: any
 * @throws ProblemError `outside_workspace`, `not_found`, `not_a_file`, `file_changed`, `not_empty`
 */
export async function removeConfined(
  root: string,
  path: string,
  options: ConfinedOptions & { readonly expectedHash?: string } = {},
): Promise<void> {
  await withProblems(path, async () => {
    const segments = await resolveSegments(root, path, true);
    const name = segments.at(-1);
    if (name === undefined) throw notAFile(path, 'the workspace folder itself');
    await using folder = await ConfinedFolder.open(root, path, segments.slice(0, -1), options);
    const stats = await lstat(folder.at(name));
    if (!stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink()) throw notAFile(path, 'a device or a pipe');
    if (options.expectedHash !== undefined) {
      const { hash } = await readIn(folder, path, name, defaultMaxBytes);
      if (hash !== options.expectedHash) throw fileChanged(path);
    }
    await folder.verify();
    await (stats.isDirectory() ? rmdir(folder.at(name)) : unlink(folder.at(name)));
  });
}

/**
 * Returns the segments below `root` that a path leads to when links inside the workspace are followed. Callers enter them
 * one by one without following links, so that a link inserted afterwards causes an error instead of leading outside.
 *
 * @param parentOnly whether the last name is kept as it is, because it is created, replaced or removed, not entered
 */
async function resolveSegments(root: string, path: string, parentOnly = false): Promise<string[]> {
  const segments = segmentsOf(path);
  const base = await realpath(root);
  const tail = parentOnly ? segments.slice(-1) : [];
  const head = parentOnly ? segments.slice(0, -1) : segments;
  // Finds the deepest folder that exists. What is missing below it contains no links.
  for (let depth = head.length; ; depth--) {
    const real = await realpath(join(base, ...head.slice(0, depth))).catch((error) => {
      if (codeOf(error) === 'ENOENT' && depth > 0) return null;
      throw error;
    });
    if (real === null) {
      // A dangling link exists although its target does not.
      const stats = await lstat(join(base, ...head.slice(0, depth))).catch(() => null);
      if (stats?.isSymbolicLink()) throw outside(path, 'it contains a broken link');
      continue;
    }
    const below = relative(base, real);
    if (below === '..' || below.startsWith(`..${sep}`) || below.startsWith(sep) || /^[A-Za-z]:/.test(below)) {
      throw outside(path, 'a link in it leads out of the workspace');
    }
    return [...below.split(sep).filter(Boolean), ...head.slice(depth), ...tail];
  }
}

/** A folder below the root that is held so that another one cannot take its place. */
class ConfinedFolder {
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
    options: ConfinedOptions & { readonly create?: boolean },
  ): Promise<ConfinedFolder> {
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
        } else if (!(await lstat(next)).isDirectory()) throw outside(path, 'it contains a link where none is allowed');
      }
      const folder = new ConfinedFolder(handle, place, path, anchored ? '' : await identityOf(place));
      await folder.verify();
      return folder;
    } catch (error) {
      await handle?.close();
      throw error;
    }
  }

  /** Returns the path by which a name in this folder can be reached while the folder is held. */
  at(name: string): string {
    return join(this.handle ? `/proc/self/fd/${this.handle.fd}` : this.place, name);
  }

  /**
   * Checks that the same folder is still in its place and reached without a link. Does nothing where folders are held
   * open.
   * @throws ProblemError `outside_workspace`
   */
  async verify(): Promise<void> {
    if (this.handle) return;
    const now = await realpath(this.place).catch(() => null);
    if (now !== this.place || (await identityOf(this.place)) !== this.identity) {
      throw outside(this.shown, 'its folder was moved in the meantime');
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

async function readIn(
  folder: ConfinedFolder,
  path: string,
  name: string | undefined,
  maxBytes: number,
): Promise<ConfinedFile> {
  if (name === undefined) throw notAFile(path, 'a folder');
  // Without O_NONBLOCK, opening a pipe without a writer would block forever.
  const handle = await open(folder.at(name), O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAFile(path, stats.isDirectory() ? 'a folder' : 'a device or a pipe');
    await folder.verify();
    if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
    // Files of /proc, and files that are growing, are larger than their reported size.
    const buffer = Buffer.alloc(Math.min(stats.size, maxBytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > stats.size) throw length > maxBytes ? tooLarge(path, maxBytes) : fileChanged(path);
    const bytes = buffer.subarray(0, length);
    return { bytes, hash: sha256Hex(bytes), mode: stats.mode & 0o777 };
  } finally {
    await handle.close();
  }
}

async function currentOf(folder: ConfinedFolder, path: string, name: string): Promise<ConfinedFile | null> {
  try {
    return await readIn(folder, path, name, Number.MAX_SAFE_INTEGER);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

const temporaryName = () => `.${randomBytes(12).toString('hex')}.tmp`;

/** Returns whether a name is that of a temporary file of `writeConfined`. */
export function isTemporary(name: string): boolean {
  return /^\.[0-9a-f]{24}\.tmp$/.test(name);
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Converts errors of the file system to problems. */
async function withProblems<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    switch (codeOf(error)) {
      case 'ENOENT':
        throw pathProblem(
          'not_found',
          404,
          'File not found',
          `${JSON.stringify(path)} does not exist in the workspace.`,
        );
      case 'ELOOP':
      case 'EMLINK':
        throw outside(path, 'it contains a link where none is allowed');
      case 'ENOTDIR':
        throw notAFile(path, 'not in a folder, or a link is in the place of a folder');
      case 'EISDIR':
        throw notAFile(path, 'a folder');
      case 'ENXIO':
      case 'ENODEV':
        throw notAFile(path, 'a device or a pipe');
      case 'ENOTEMPTY':
        throw pathProblem('not_empty', 409, 'Folder not empty', `The folder ${JSON.stringify(path)} is not empty.`);
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw pathProblem(
          'not_permitted',
          403,
          'Access denied',
          `The operating system denies access to ${JSON.stringify(path)}.`,
        );
      default:
        throw error;
    }
  }
}

const pathProblem = (code: ErrorCode, status: number, title: string, detail: string) =>
  new ProblemError({ code, status, title, detail });
const notAFile = (path: string, what: string) =>
  pathProblem(
    'not_a_file',
    422,
    'Not a file',
    `${JSON.stringify(path)} is ${what}. Only regular files can be read and written.`,
  );
const tooLarge = (path: string, bytes: number) =>
  pathProblem('file_too_large', 413, 'File too large', `${JSON.stringify(path)} is larger than ${bytes} bytes.`);
const fileChanged = (path: string) =>
  pathProblem(
    'file_changed',
    409,
    'File changed',
    `${JSON.stringify(path)} is not the version that was read. Read it again.`,
  );
