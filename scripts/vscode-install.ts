import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { root } from './build.ts';
import { mustRun } from './run.ts';

/** Folder for downloads and data of runs and tests. It is ignored by git. */
export const testFolder = join(root, '.vscode-test');

/** Node version of the oldest supported editor, on which the server has to pass its tests. */
const node22 = '22.23.3';

/**
 * VS Code builds that run in a browser, from code-server's npm package: the newest for daily use, and the oldest that
 * `engines.vscode` supports.
 */
const editors = {
  current: {
    version: '4.139.1',
    integrity: 'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==',
  },
  oldest: {
    version: '4.104.0',
    integrity: 'sha512-wSo8KOqN/HnhAPkZ+aKviR61xx97KrYpvy9oomXhSwoM+1l5t8Mfuffx5or3Ew1PoJh2u2Y4fxIEi3Wn5++vfg==',
  },
} as const;

/** Key of a VS Code build in `editors`. */
export type EditorAge = keyof typeof editors;

/** An installed VS Code server. */
export interface InstalledEditor {
  /** Folder that contains `out/server-main.js`. */
  readonly folder: string;
  /** Path of the Node executable to run it with. */
  readonly node: string;
}

type Print = (line: string) => void;

/** Installs VS Code for the browser unless it is installed. */
export async function installEditor(age: EditorAge = 'current', print: Print = console.log): Promise<InstalledEditor> {
  const { version, integrity } = editors[age];
  const folder = await installOnce(`code-server-${version}`, async (temporary) => {
    print(`Installing VS Code for the browser (code-server ${version}, about 100 MB, once) ...`);
    await mustRun('npm', ['pack', `code-server@${version}`, '--pack-destination', temporary, '--loglevel=error']);
    const archive = join(temporary, `code-server-${version}.tgz`);
    const found = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (found !== integrity) throw new Error(`code-server ${version} is not the package that was reviewed: ${found}.`);
    await mustRun('tar', ['-xzf', archive, '-C', temporary, '--strip-components=1']);
    await rm(archive);
    print('Installing what it needs ...');
    // Not `npm ci`: its shrinkwrap and its package.json disagree about optional packages.
    const args = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const vscode = join(temporary, 'lib/vscode');
    for (const cwd of [vscode, join(vscode, 'extensions')]) await mustRun('npm', args, { cwd });
  });
  const node = age === 'oldest' ? await installNode22(print) : process.execPath;
  return { folder: join(folder, 'lib/vscode'), node };
}

/** Installs Node 22 unless it is installed. Returns the path of its executable. */
export async function installNode22(print: Print = console.log): Promise<string> {
  const folder = await installOnce(`node-${node22}`, async (temporary) => {
    print(`Installing Node ${node22} (the oldest supported editor's, once) ...`);
    const flags = ['--no-save', '--ignore-scripts=false', '--no-audit', '--no-fund', '--loglevel=error'];
    await mustRun('npm', ['install', '--prefix', temporary, ...flags, `node@${node22}`], { cwd: temporary });
  });
  return join(folder, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Fills a temporary folder and renames it at the end, so that an incomplete folder is never used. */
export async function installOnce(name: string, fill: (temporary: string) => Promise<void>): Promise<string> {
  const folder = join(testFolder, name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const temporary = await mkdtemp(`${folder}.`);
  try {
    await fill(temporary);
    // Another process may have been faster: use its result.
    await rename(temporary, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}
