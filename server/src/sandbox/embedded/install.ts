import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import * as z from 'zod';
import { sha256Hex } from '../../sha256.ts';
import type { RuntimeName } from './child/frames.ts';
import { folderOf, isNeeded, type RuntimePackage, runtimes } from './runtimes.ts';

/** Command and environment that start npm on this machine. */
export interface Npm {
  readonly file: string;
  readonly args: readonly string[];
  /** Environment with the user's own configuration, which npm needs: HOME, proxies, certificates. */
  readonly env: NodeJS.ProcessEnv;
}

/** Callback for the progress of an installation. The fraction is from 0 to 1, or null if it is unknown. */
export type Progress = (message: string, fraction: number | null) => void;

/** Folders of a runtime's packages, by package name. */
export type RuntimeFolders = ReadonlyMap<string, string>;

/** Matches the names of pack files that `npm run package:runtimes` creates. */
const packFile = /^devlm-runtimes.*\.(tgz|tar\.gz)$/;
/** Maximum duration of fetching one package, in milliseconds. */
const npmTimeoutMs = 10 * 60_000;
/** Maximum size of a file of a runtime, in bytes. */
const maxFileBytes = 128 * 1024 * 1024;

/** Returns the packages in `node_modules` if their integrity in npm's lock file is the pinned one, or else null. */
export async function findInNodeModules(runtime: RuntimeName, repository: string): Promise<RuntimeFolders | null> {
  const Lock = z.object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() }).loose()) });
  try {
    const text = await readFile(join(repository, 'node_modules', '.package-lock.json'), 'utf8');
    const { packages } = Lock.parse(JSON.parse(text));
    const wanted = runtimes[runtime].packages;
    if (!wanted.every(({ name, integrity }) => packages[`node_modules/${name}`]?.integrity === integrity)) return null;
    return foldersIn(runtime, repository);
  } catch {
    return null;
  }
}

/** Returns the installed packages of a runtime, or null. Its folder is complete, because a rename creates it. */
export async function findInstalled(runtime: RuntimeName, runtimesDir: string): Promise<RuntimeFolders | null> {
  const folder = join(runtimesDir, folderOf(runtime));
  const found = await stat(folder).catch(() => null);
  return found?.isDirectory() ? foldersIn(runtime, folder) : null;
}

/** Returns the pack files in a folder, with the highest name first. */
export async function findPacks(runtimesDir: string): Promise<string[]> {
  const names = await readdir(runtimesDir).catch((): string[] => []);
  const packs = names.filter((name) => packFile.test(name));
  return packs.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })).map((name) => join(runtimesDir, name));
}

/**
 * Installs a runtime from a pack file.
 * @returns null if the pack does not contain it
 * @throws Error if a package differs from the pinned one
 */
export async function installFromPack(
  runtime: RuntimeName,
  runtimesDir: string,
  pack: string,
): Promise<RuntimeFolders | null> {
  return install(runtime, runtimesDir, async (folder) => {
    for (const wanted of runtimes[runtime].packages) {
      const prefix = `${wanted.name}@${wanted.version}/`;
      const files = await unpack(pack, join(folder, 'node_modules', wanted.name), (path) =>
        path.startsWith(prefix) ? keep(wanted, path.slice(prefix.length)) : null,
      );
      if (files.size === 0) return false;
      check(wanted, treeHash(files), wanted.tree, pack);
    }
    return true;
  });
}

/**
 * Installs a runtime with npm, from the registry that npm is configured to use.
 * @throws Error with npm's message
 */
export async function installWithNpm(
  runtime: RuntimeName,
  runtimesDir: string,
  npm: Npm,
  progress: Progress,
  signal: AbortSignal,
): Promise<RuntimeFolders> {
  const { packages, title, downloadMb } = runtimes[runtime];
  const folders = await install(runtime, runtimesDir, async (folder) => {
    for (const [i, wanted] of packages.entries()) {
      progress(`Installing ${title} with npm (about ${downloadMb} MB, only once)`, i / packages.length);
      const tarball = await fetchPackage(wanted, folder, npm, signal);
      const files = await unpack(tarball, join(folder, 'node_modules', wanted.name), (path) =>
        keep(wanted, path.slice(path.indexOf('/') + 1)),
      );
      check(wanted, treeHash(files), wanted.tree, 'what npm brought');
      await rm(tarball);
    }
    return true;
  });
  if (!folders) throw new Error('nothing was installed');
  return folders;
}

/** Fetches the tarball of a package with npm, without its dependencies and without running its scripts. */
async function fetchPackage(wanted: RuntimePackage, folder: string, npm: Npm, signal: AbortSignal): Promise<string> {
  const spec = `${wanted.name}@${wanted.version}`;
  const args = [...npm.args, 'pack', spec, '--ignore-scripts', '--loglevel=error'];
  try {
    await promisify(execFile)(npm.file, args, { cwd: folder, env: npm.env, timeout: npmTimeoutMs, signal });
  } catch (error) {
    signal.throwIfAborted();
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const why = stderr.replaceAll(/^npm (error|ERR!) ?/gm, '').trim() || (error instanceof Error ? error.message : '');
    throw new Error(`npm could not download ${spec}: ${why.slice(0, 300)}`);
  }
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (!name) throw new Error(`npm did not download ${spec}`);
  const tarball = join(folder, name);
  const hash = createHash('sha512');
  await pipeline(createReadStream(tarball), hash);
  check(wanted, `sha512-${hash.digest('base64')}`, wanted.integrity, 'what npm brought');
  return tarball;
}

/** Fills a temporary folder, then renames it to the final one. Two servers may do so concurrently. */
async function install(
  runtime: RuntimeName,
  runtimesDir: string,
  fill: (folder: string) => Promise<boolean>,
): Promise<RuntimeFolders | null> {
  await mkdir(runtimesDir, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(runtimesDir, '.installing-'));
  try {
    if (!(await fill(folder))) return null;
    const final = join(runtimesDir, folderOf(runtime));
    await rename(folder, final).catch(async (error) => {
      // Another server was faster.
      if (!(await findInstalled(runtime, runtimesDir))) throw error;
    });
    return foldersIn(runtime, final);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Extracts the files for which `select` returns a path. Returns the SHA-256 of each file by that path. */
async function unpack(
  tarball: string,
  folder: string,
  select: (path: string) => string | null,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const extract = tar.extract();
  const reading = pipeline(createReadStream(tarball), createGunzip(), extract);
  reading.catch(() => {});
  for await (const entry of extract) {
    const { name, type, size = 0 } = entry.header;
    const path = type === 'file' ? select(name) : null;
    if (path === null || size > maxFileBytes) {
      entry.resume();
      continue;
    }
    const data = await buffer(entry);
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data);
    files.set(path, sha256Hex(data));
  }
  await reading;
  return files;
}

function keep(wanted: RuntimePackage, path: string): string | null {
  return isNeeded(wanted, path) && !path.split('/').includes('..') ? path : null;
}

/** Returns a hash of the kept files of a package, which does not depend on the archive. */
export function treeHash(files: ReadonlyMap<string, string>): string {
  const lines = [...files].map(([path, hash]) => `${hash} ${path}\n`).sort();
  return sha256Hex(lines.join(''));
}

function check({ name, version }: RuntimePackage, found: string, wanted: string, where: string): void {
  if (found !== wanted) throw new Error(`${name}@${version} in ${where} is not the one that DevLM was made with`);
}

function foldersIn(runtime: RuntimeName, folder: string): RuntimeFolders {
  return new Map(runtimes[runtime].packages.map(({ name }) => [name, join(folder, 'node_modules', name)]));
}
