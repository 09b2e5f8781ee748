import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import tar from 'tar-stream';
import manifest from '../package.json' with { type: 'json' };
import { treeHash } from '../server/src/sandbox/embedded/install.ts';
import { isNeeded, type RuntimePackage, runtimes } from '../server/src/sandbox/embedded/runtimes.ts';
import { root } from './build.ts';

/**
 * Builds the runtimes pack: one file with everything that the embedded sandbox needs on a machine without npm or network.
 * It is copied into the runtimes folder. Returns its path and its size in bytes.
 *
 * @param out path of the pack. Default: `dist/devlm-runtimes-VERSION.tgz`
 */
export async function packageRuntimes(
  out = join(root, 'dist', `devlm-runtimes-${manifest.version}.tgz`),
): Promise<{ path: string; bytes: number }> {
  const pack = tar.pack();
  await mkdir(dirname(out), { recursive: true });
  const half = `${out}.part`;
  const written = pipeline(pack, createGzip({ level: 9 }), createWriteStream(half));
  for (const wanted of Object.values(runtimes).flatMap(({ packages }) => packages)) {
    const files = await filesOf(wanted);
    const hashes = new Map([...files].map(([path, data]) => [path, createHash('sha256').update(data).digest('hex')]));
    if (treeHash(hashes) !== wanted.tree) {
      pack.destroy();
      await written.catch(() => {});
      throw new Error(`node_modules has another ${wanted.name} than ${wanted.version}. Run npm ci.`);
    }
    for (const [path, data] of files) {
      // Makes the build reproducible: the same files give the same pack.
      pack.entry({ name: `${wanted.name}@${wanted.version}/${path}`, mode: 0o644, mtime: new Date(0) }, data);
    }
  }
  pack.finalize();
  await written;
  await rename(half, out);
  return { path: out, bytes: (await stat(out)).size };
}

async function filesOf(wanted: RuntimePackage): Promise<Map<string, Buffer>> {
  const folder = join(root, 'node_modules', wanted.name);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((path) => isNeeded(wanted, path))
    .sort();
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path))] as const)));
}

if (import.meta.main) {
  try {
    const { path, bytes } = await packageRuntimes(process.argv[2]);
    console.log(`${path} (${(bytes / 1024 / 1024).toFixed(1)} MB)`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
