import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Mount } from './wall.ts';

/** Locations of the files that a child needs. */
export interface ChildFiles {
  /** File or folder that a child may read, and the path of the entry file in it; '' if the root is that file. */
  readonly program: { readonly root: string; readonly entry: string };
  /** Folder with the modules for QuickJS programs. */
  readonly guest: string;
  /** Folder with the files of the packages that these modules are built on (see `child/guest-packages.ts`). */
  readonly guestPackages: string;
  /** Further files that a child may read. */
  readonly extra: readonly Mount[];
  /** Folder whose `node_modules` contains the runtimes, if the server runs from the repository. */
  readonly repository: string;
}

/** Returns the bundles beside the bundled server, or else the sources. */
export function childFiles(): ChildFiles {
  const here = import.meta.dirname;
  const bundled = join(here, 'sandbox-child.mjs');
  if (existsSync(bundled)) {
    return {
      program: { root: bundled, entry: '' },
      guest: join(here, 'sandbox-guest'),
      guestPackages: join(here, 'sandbox-npm'),
      extra: [],
      repository: resolve(here, '..'),
    };
  }
  const server = resolve(here, '../../..');
  return {
    program: { root: join(here, 'child'), entry: 'main.ts' },
    guest: join(here, 'guest'),
    guestPackages: join(server, '../node_modules'),
    // Declares that the sources are ES modules.
    extra: [{ host: join(server, 'package.json'), inside: 'package.json' }],
    repository: resolve(server, '..'),
  };
}
