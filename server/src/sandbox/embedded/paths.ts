import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Mount } from './wall.ts';

/** Where the programs of the children are. */
export interface ChildFiles {
  /** What a child may read of it, and the file in it that is run; '' where it is that file. */
  readonly program: { readonly root: string; readonly entry: string };
  /** Modules for programs in QuickJS. */
  readonly guest: string;
  readonly extra: readonly Mount[];
  /** Folder whose `node_modules` has the runtimes, where this is the repository. */
  readonly repository: string;
}

/** The sources as they are, or the bundles beside the bundled server. */
export function childFiles(): ChildFiles {
  const here = import.meta.dirname;
  const bundled = join(here, 'sandbox-child.mjs');
  if (existsSync(bundled)) {
    return {
      program: { root: bundled, entry: '' },
      guest: join(here, 'sandbox-guest'),
      extra: [],
      repository: resolve(here, '..'),
    };
  }
  const server = resolve(here, '../../..');
  return {
    program: { root: join(here, 'child'), entry: 'main.ts' },
    guest: join(here, 'guest'),
    // Says that the sources are modules.
    extra: [{ host: join(server, 'package.json'), inside: 'package.json' }],
    repository: resolve(server, '..'),
  };
}
