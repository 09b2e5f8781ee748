import type { Language } from '@devlm/protocol/execution.ts';
import type { RuntimeName } from './child/frames.ts';

/** A pinned npm package. */
export interface RuntimePackage {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the package's tarball, as in npm's lock file. */
  readonly integrity: string;
  /** SHA-256 of the kept files (see `treeHash`), in hex. */
  readonly tree: string;
  /** Files and whole folders that are kept, relative to the package. */
  readonly files: readonly string[];
}

/** Packages and properties of a runtime. */
export interface RuntimeRow {
  readonly packages: readonly RuntimePackage[];
  /** Name for the user. */
  readonly title: string;
  /** Approximate download size, in MB. */
  readonly downloadMb: number;
  /**
   * WebAssembly memory that the loaded interpreter itself takes, in MiB. A job's memory limit applies to its program in
   * addition, because 50 MB suffice for a small interpreter in a container, but for none of these.
   */
  readonly baseMb: number;
}

/**
 * Runtimes for machines without Docker. The versions must equal those in package-lock.json, which a test checks, so
 * both must be updated together.
 */
export const runtimes: Readonly<Record<RuntimeName, RuntimeRow>> = {
  python: {
    title: 'Python 3.14 (Pyodide)',
    downloadMb: 6,
    baseMb: 48,
    packages: [
      {
        name: 'pyodide',
        version: '314.0.7',
        integrity: 'sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==',
        tree: 'a52beaa54f9d6ceb1f1a926b7d7f622eb5d052ca1adf13b9c7227b62546cf229',
        files: [
          'package.json',
          'pyodide.mjs',
          'pyodide.asm.mjs',
          'pyodide.asm.wasm',
          'python_stdlib.zip',
          'pyodide-lock.json',
        ],
      },
    ],
  },
  quickjs: {
    title: 'JavaScript (QuickJS)',
    downloadMb: 1,
    baseMb: 20,
    packages: [
      {
        name: 'quickjs-emscripten-core',
        version: '0.32.0',
        integrity: 'sha512-QFnPfjFey8EqknSrSxe1hZrf1/8z7/6s1QzGOmKo6++02r7QRRX7ZoyNaZh7JuVjWsVW87KnQrbZqnHkOAzUyg==',
        tree: 'd32ee59c3a6e5ef322be43b61df6480783b22783ad02c881f143173959c64fa4',
        files: ['package.json', 'LICENSE', 'dist'],
      },
      {
        name: '@jitl/quickjs-wasmfile-release-sync',
        version: '0.32.0',
        integrity: 'sha512-BKNDI/TPBfGlLNGYpLrhcDGXmIk4xHm4MRAisOBnOzpXVn9HZWsfmMAc9WMBrAHjvvds6HOikKeaOBKdPdpVrg==',
        tree: '94eb158f4f32631b9099462e24005af5ff9b020668feec36dc59d9b339b0c5b1',
        files: ['package.json', 'LICENSE', 'dist'],
      },
      {
        name: '@jitl/quickjs-ffi-types',
        version: '0.32.0',
        integrity: 'sha512-v9T+GQpmk43VDJ7d72sf0Nexhk+ArvtUihW27dy7lqAl0zBObFKtSBBIm5RBjwIhE8VwsPPm9PNuvPvNqLWUEg==',
        tree: '6d42830cbb6549861c968d8bc151e418a4ae67735a50c7191b39f8d9c84ccd22',
        files: ['package.json', 'LICENSE', 'dist'],
      },
    ],
  },
  ruby: {
    title: 'Ruby 3.4 (WebAssembly)',
    downloadMb: 25,
    baseMb: 96,
    packages: [
      {
        name: '@ruby/3.4-wasm-wasi',
        version: '2.10.1',
        integrity: 'sha512-qrzIJ/7TGSpsZpFyLJb9OXO6TYAq18XoLd11We17Sr78hWpb5IGGFgMQ9A2Y8Ww5n0k8uKA/I8/P8MJdzlJX0Q==',
        tree: '864dd5c8ba32d0bdbb0aee9a0e290c56974da709e5bd1318412f37071c06c671',
        // Omits two more builds of Ruby in the package, which take 66 MB.
        files: ['package.json', 'dist/LICENSE', 'dist/NOTICE', 'dist/ruby+stdlib.wasm'],
      },
      {
        name: '@ruby/wasm-wasi',
        version: '2.10.1',
        integrity: 'sha512-OGSxxDraRq8alWQsWqDJQsaAavQwhwIVRkDozpPucjD1tUofMF6n99Y8Ia1bpDhOAXCwiNIHqhumfqFw0H0DZw==',
        tree: '7c6d2793b9a745d3d24843778bd7abdc6cb958cb31f0c70faf75e22d002a71d7',
        files: ['package.json', 'dist/esm'],
      },
      {
        name: '@bjorn3/browser_wasi_shim',
        version: '0.4.2',
        integrity: 'sha512-/iHkCVUG3VbcbmEHn5iIUpIrh7a7WPiwZ3sHy4HZKZzBdSadwdddYDZAII2zBvQYV0Lfi8naZngPCN7WPHI/hA==',
        tree: '4f3dbd8f4617beaf5a0d517b6bb3831249a4bfa314c5997a4f3a1471e1784836',
        files: ['package.json', 'LICENSE-APACHE', 'LICENSE-MIT', 'dist'],
      },
    ],
  },
};

/** Runtime of each language. Other languages need Docker. */
export const runtimeByLanguage: Readonly<Partial<Record<Language, RuntimeName>>> = {
  python: 'python',
  javascript: 'quickjs',
  typescript: 'quickjs',
  ruby: 'ruby',
};

/** Returns the folder name of an installed runtime, which differs for each version. */
export function folderOf(runtime: RuntimeName): string {
  return `${runtime}-${runtimes[runtime].packages[0]?.version ?? '0'}`;
}

/** Returns whether a file of a package is kept, by its path within the package. */
export function isNeeded(runtimePackage: Pick<RuntimePackage, 'files'>, path: string): boolean {
  if (path.endsWith('.map') || path.endsWith('.d.ts') || path.endsWith('.d.mts') || path.endsWith('.tsbuildinfo')) {
    return false;
  }
  return runtimePackage.files.some((entry) => path === entry || path.startsWith(`${entry}/`));
}
