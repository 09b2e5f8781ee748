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
import type { RuntimeName } from './child/frames.ts';
import { folderOf, isNeeded, type RuntimePackage, runtimes } from './runtimes.ts';

/** How this machine's npm is started. */
export interface Npm {
  readonly file: string;
  readonly args: readonly string[];
  /** npm needs the person's own configuration: HOME, proxies, certificates. */
  readonly env: NodeJS.ProcessEnv;
}

export type Progress = (message: string, fraction: number | null) => void;

/** The folders of a runtime's packages, by name. */
export type RuntimeFolders = ReadonlyMap<string, string>;

/** Names of pack files, as `npm run package:runtimes` gives them. */
const packFile = /^devlm-runtimes.*\.(tgz|tar\.gz)$/;
/** Milliseconds that one package may take. */
const npmTimeout = 10 * 60_000;
/** Largest file of a runtime. */
const fileBytes = 128 * 1024 * 1024;

/** The packages in a `node_modules` that npm has installed as its lock file says, with our integrity. */
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

/** The packages as they were installed earlier. A folder of that name is complete: it came by one rename. */
export async function findInstalled(runtime: RuntimeName, runtimesDir: string): Promise<RuntimeFolders | null> {
  const folder = join(runtimesDir, folderOf(runtime));
  const found = await stat(folder).catch(() => null);
  return found?.isDirectory() ? foldersIn(runtime, folder) : null;
}

/** The pack files in the folder, the newest name first. */
export async function findPacks(runtimesDir: string): Promise<string[]> {
  const names = await readdir(runtimesDir).catch((): string[] => []);
  const packs = names.filter((name) => packFile.test(name));
  return packs.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })).map((name) => join(runtimesDir, name));
}

/** Takes a runtime out of a pack file. Null: it is not in there. Throws when it is not as it should be. */
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

/** Fetches a runtime with npm, from wherever it is configured to fetch. Throws with npm's own words. */
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
      progress(`Installing ${title} with npm, about ${downloadMb} MB, once`, i / packages.length);
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

/** Lets npm fetch the tarball alone: none of the package's scripts runs, nothing else comes with it. */
async function fetchPackage(wanted: RuntimePackage, folder: string, npm: Npm, signal: AbortSignal): Promise<string> {
  const spec = `${wanted.name}@${wanted.version}`;
  const args = [...npm.args, 'pack', spec, '--ignore-scripts', '--loglevel=error'];
  try {
    await promisify(execFile)(npm.file, args, { cwd: folder, env: npm.env, timeout: npmTimeout, signal });
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const why = said.replaceAll(/^npm (error|ERR!) ?/gm, '').trim() || (error instanceof Error ? error.message : '');
    throw new Error(`npm could not fetch ${spec}: ${why.slice(0, 300)}`);
  }
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (!name) throw new Error(`npm did not bring ${spec}`);
  const tarball = join(folder, name);
  const hash = createHash('sha512');
  await pipeline(createReadStream(tarball), hash);
  check(wanted, `sha512-${hash.digest('base64')}`, wanted.integrity, 'what npm brought');
  return tarball;
}

/** Fills a folder beside the final one, then renames it. Two servers may do so at one time. */
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

/** Extracts what `select` gives a path for, and answers the SHA-256 of each file by that path. */
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
    if (path === null || size > fileBytes) {
      entry.resume();
      continue;
    }
    const data = await buffer(entry);
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data);
    files.set(path, createHash('sha256').update(data).digest('hex'));
  }
  await reading;
  return files;
}

function keep(wanted: RuntimePackage, path: string): string | null {
  return isNeeded(wanted, path) && !path.split('/').includes('..') ? path : null;
}

/** One hash for the kept files of a package, whatever they came in. */
export function treeHash(files: ReadonlyMap<string, string>): string {
  const lines = [...files].map(([path, hash]) => `${hash} ${path}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

function check({ name, version }: RuntimePackage, found: string, wanted: string, where: string): void {
  if (found !== wanted) throw new Error(`${name}@${version} in ${where} is not the one that DevLM was made with`);
}

function foldersIn(runtime: RuntimeName, folder: string): RuntimeFolders {
  return new Map(runtimes[runtime].packages.map(({ name }) => [name, join(folder, 'node_modules', name)]));
}
