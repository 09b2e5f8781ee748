import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';
import { build, root } from './build.ts';

/** Maximum size of the VSIX, in bytes. */
const maxBytes = 3.25 * 1024 * 1024;

/**
 * Allow-list of files in the VSIX. Only these are copied to the folder that it is built from, so that sources, tests,
 * samples, the demo and source maps cannot get in.
 */
const contents: readonly RegExp[] = [
  /^package(\.nls(\.[a-z-]+)?)?\.json$/,
  /^(README|CHANGELOG)\.md$/,
  /^LICENSE(\.txt)?$/,
  /^dist\/(extension(-[A-Z0-9]+)?\.cjs|server(-[A-Z0-9]+)?\.mjs|page\.js|page\.css|codicon\.ttf|ThirdPartyNotices\.txt)$/,
  /^dist\/(sandbox-child|page-reader|symbol-parser)\.mjs$/,
  /^dist\/sandbox-guest\/[\w-]+\.js$/,
  /^dist\/sandbox-npm\/[\w./-]+\.js$/,
  /^dist\/grammars\/tree-sitter(-[a-z]+)?\.wasm$/,
  /^l10n\/bundle\.l10n(\.[a-z-]+)?\.json$/,
  /^media\/[\w./-]+\.(svg|png)$/,
  /^walkthrough\/[\w-]+\.(md|svg)$/,
];
/** Files without which the extension would not run or would violate a license. */
const required = [
  'dist/extension.cjs',
  'dist/server.mjs',
  'dist/page.js',
  'dist/sandbox-child.mjs',
  'dist/page-reader.mjs',
  'dist/symbol-parser.mjs',
  'dist/grammars/tree-sitter.wasm',
  'dist/grammars/tree-sitter-python.wasm',
  'dist/sandbox-guest/start.js',
  'dist/sandbox-npm/events/events.js',
  'dist/ThirdPartyNotices.txt',
  'LICENSE',
  'package.json',
];

/** Fields of package.json that only the repository needs. vsce fails on `workspaces`. */
const repositoryOnly = ['private', 'workspaces', 'scripts', 'devDependencies', 'allowScripts', 'type'];

/**
 * Builds the VSIX. Returns its path and its size in bytes.
 * @param out path of the VSIX. Default: `devlm-VERSION.vsix` in the repository
 * @throws if it contains an unexpected file or is too large
 */
export async function packageExtension(out?: string): Promise<{ path: string; bytes: number }> {
  const stage = await mkdtemp(join(tmpdir(), 'devlm-vsix-'));
  try {
    await build({ minify: true, vsix: true, outdir: join(stage, 'dist') });
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    for (const field of repositoryOnly) delete manifest[field];
    manifest.engines = { vscode: manifest.engines.vscode };
    manifest.files = ['**'];
    await writeFile(join(stage, 'package.json'), JSON.stringify(manifest, null, 2));
    for (const name of ['package.nls.json', 'CHANGELOG.md', 'LICENSE', 'l10n', 'media', 'walkthrough']) {
      await cp(join(root, name), join(stage, name), { recursive: true }).catch((error) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await writeFile(join(stage, 'README.md'), withoutRelativeLinks(await readFile(join(root, 'README.md'), 'utf8')));

    const files = await listFiles({ cwd: stage, packageManager: PackageManager.None });
    const strange = files.filter((file) => !contents.some((pattern) => pattern.test(file)));
    if (strange.length > 0) throw new Error(`These do not belong into the VSIX: ${strange.join(', ')}.`);
    const missing = required.filter((file) => !files.includes(file));
    if (missing.length > 0) throw new Error(`The VSIX lacks ${missing.join(', ')}.`);

    const path = out ?? join(root, `${manifest.name}-${manifest.version}.vsix`);
    await createVSIX({
      cwd: stage,
      packagePath: path,
      dependencies: false,
      allowMissingRepository: true,
      rewriteRelativeLinks: false,
    });
    const { size } = await stat(path);
    if (size > maxBytes) throw new Error(`The VSIX has ${size} bytes; ${maxBytes} are allowed.`);
    return { path, bytes: size };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Removes images and replaces links that refer to files next to the README, which are not in the VSIX. */
export function withoutRelativeLinks(markdown: string): string {
  const relative = String.raw`\((?!https?:|#|mailto:)[^)]*\)`;
  return markdown
    .replace(new RegExp(String.raw`!\[[^\]]*\]${relative}`, 'g'), '')
    .replace(new RegExp(String.raw`\[([^\]]*)\]${relative}`, 'g'), '$1');
}

if (import.meta.main) {
  try {
    const { path, bytes } = await packageExtension(process.argv[2]);
    console.log(`${path} (${(bytes / 1024 / 1024).toFixed(2)} MB)`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
