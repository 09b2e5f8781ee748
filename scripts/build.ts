import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type BuildOptions,
  type BuildResult,
  context,
  build as esbuild,
  type Metafile,
  type Plugin,
  transform,
} from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { queries } from '../server/src/actions/symbols/languages.ts';
import { guestPackages } from '../server/src/sandbox/embedded/child/guest-packages.ts';
import { licenseProblems, notices, type ShippedPackage, shippedPackages } from './licenses.ts';

/** Root folder of the repository. */
export const root = resolve(import.meta.dirname, '..');

/** Oldest Node that runs the code: that of the oldest supported editor (see engines.vscode). */
const nodeTarget = 'node22';

/** Banner that provides the globals of CommonJS to CommonJS libraries bundled into an ES module. */
const requireBanner =
  "import{createRequire as devlmRequire}from'node:module';const require=devlmRequire(import.meta.url),__dirname=import.meta.dirname,__filename=import.meta.filename;";

/** Options of `build`. */
export interface BuildSettings {
  /** Whether to build for a release: minified and without source maps. */
  readonly minify?: boolean;
  /** Output folder. Default: `dist/` of the repository. */
  readonly outdir?: string;
  /** Whether to build for the VSIX, which has no room for the adapters of Bedrock and Vertex. */
  readonly vsix?: boolean;
}

/** Removes 0.2 MB of encoding tables that Express bundles. The gateway accepts only UTF-8 (body.ts). */
const utf8Only: Plugin = {
  name: 'utf8-only',
  setup({ onLoad }) {
    onLoad({ filter: /iconv-lite[\\/]encodings[\\/]tables[\\/][\w-]+\.json$/ }, () => ({
      contents: '[]',
      loader: 'json',
    }));
  },
};

/** Splits the extension as ES modules and converts each to CommonJS: VS Code needs CommonJS, which esbuild does not split. */
const commonJs: Plugin = {
  name: 'common-js',
  setup({ initialOptions, onEnd }) {
    const { write = true, minify = false, target, sourcemap = false } = initialOptions;
    initialOptions.write = false;
    onEnd(async ({ outputFiles = [] }) => {
      if (!write) return;
      for (const { path, text } of outputFiles) {
        const supported = { 'dynamic-import': false };
        const { code } = await transform(text, {
          format: 'cjs',
          platform: 'node',
          minify,
          target,
          sourcemap,
          supported,
        });
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, code);
      }
    });
  },
};

/** Returns the esbuild options of every bundle. */
function bundles({ minify = false, outdir = join(root, 'dist'), vsix = false }: BuildSettings): BuildOptions[] {
  const common = {
    absWorkingDir: root,
    bundle: true,
    metafile: true,
    minify,
    sourcemap: minify ? false : 'linked',
    // Licenses of the bundled packages are in ThirdPartyNotices.txt.
    legalComments: 'none',
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"', DEVLM_VERSION: JSON.stringify(manifest.version) },
  } satisfies BuildOptions;
  const node = {
    ...common,
    platform: 'node',
    target: nodeTarget,
    mainFields: ['module', 'main'],
  } satisfies BuildOptions;
  return [
    extensionBundle(node, outdir),
    serverBundle(node, outdir),
    ...(vsix ? [] : [platformBundle(node, outdir)]),
    ...workerBundles(node, outdir),
    guestModules(common, outdir),
    guestPackageFiles(common, outdir),
    pageBundle(common, outdir),
  ];
}

function extensionBundle(node: BuildOptions, outdir: string): BuildOptions {
  return {
    ...node,
    entryPoints: { extension: 'extension/src/main.ts' },
    outdir,
    outExtension: { '.js': '.cjs' },
    format: 'esm',
    external: ['vscode'],
    // Code that activation does not need is loaded on first use.
    splitting: true,
    chunkNames: 'extension-[hash]',
    sourcemap: node.minify ? false : 'inline',
    plugins: [commonJs],
  };
}

function serverBundle(node: BuildOptions, outdir: string): BuildOptions {
  return {
    ...node,
    entryPoints: { server: 'server/src/main.ts' },
    outdir,
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    // Code that not every server needs, such as Docker, PostgreSQL, Redis or MCP, is loaded on first use.
    splitting: true,
    chunkNames: 'server-[hash]',
    // The first two are optional dependencies of pg that are not used here. Without the others ssh2 is only slower.
    external: ['pg-native', 'cloudflare:sockets', 'cpu-features', '*.node'],
    alias: {
      // dockerode needs these 0.4 MB only to build images, which DevLM does not.
      '@grpc/grpc-js': 'node:module',
      '@grpc/proto-loader': 'node:module',
      protobufjs: 'node:module',
      // Called only for certificates from the environment, which client.ts replaces with the configured ones.
      'split-ca': 'node:assert',
      // Polyfill of what current Node has built in.
      'readable-stream': 'node:stream',
    },
    plugins: [utf8Only],
    banner: { js: `#!/usr/bin/env node\n${requireBanner}` },
  };
}

/** Returns the options of the bundles for Bedrock and Vertex, which the server loads with the first call of such an instance. */
function platformBundle(node: BuildOptions, outdir: string): BuildOptions {
  return {
    ...node,
    entryPoints: ['server/src/llm/platforms/bedrock.ts', 'server/src/llm/platforms/vertex.ts'],
    outdir: join(outdir, 'platforms'),
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    // Both contain Anthropic's SDK.
    splitting: true,
    banner: { js: requireBanner },
  };
}

/** Returns the options of the bundles for programs that the server runs in separate processes and threads. */
function workerBundles(node: BuildOptions, outdir: string): BuildOptions[] {
  return [
    {
      ...node,
      entryPoints: ['server/src/sandbox/embedded/child/main.ts'],
      outfile: join(outdir, 'sandbox-child.mjs'),
      format: 'esm',
    },
    {
      ...node,
      entryPoints: ['server/src/actions/web/reader/main.ts'],
      outfile: join(outdir, 'page-reader.mjs'),
      format: 'esm',
    },
    {
      ...node,
      entryPoints: ['server/src/actions/symbols/parser/main.ts'],
      outfile: join(outdir, 'symbol-parser.mjs'),
      format: 'esm',
      banner: { js: requireBanner },
    },
  ];
}

/** Returns the options of the modules for programs in QuickJS in the embedded sandbox, each in a separate file. */
function guestModules(common: BuildOptions, outdir: string): BuildOptions {
  return {
    ...common,
    entryPoints: ['server/src/sandbox/embedded/guest/*.ts'],
    outdir: join(outdir, 'sandbox-guest'),
    // Programs import the modules individually.
    bundle: false,
    sourcemap: false,
    // Names of functions and classes appear in the output of programs.
    minifyIdentifiers: false,
    target: 'es2023',
    format: 'esm',
  };
}

/** Returns the options of the packages that these modules are built on, each file in its own place. */
function guestPackageFiles(common: BuildOptions, outdir: string): BuildOptions {
  return {
    ...common,
    entryPoints: Object.values(guestPackages).map(({ file }) => `node_modules/${file}`),
    outdir: join(outdir, 'sandbox-npm'),
    outbase: 'node_modules',
    bundle: false,
    sourcemap: false,
    minifyIdentifiers: false,
    target: 'es2023',
  };
}

function pageBundle(common: BuildOptions, outdir: string): BuildOptions {
  return {
    ...common,
    entryPoints: { page: 'webview-ui/src/main.tsx' },
    outdir,
    platform: 'browser',
    target: ['es2022', 'chrome128', 'firefox128', 'safari17.4'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    assetNames: '[name]',
    loader: { '.ttf': 'file', '.woff2': 'file', '.svg': 'file' },
  };
}

/** Builds into memory and returns the packages that the VSIX would contain. */
export async function shipped(): Promise<ShippedPackage[]> {
  const results = await Promise.all(bundles({ minify: true }).map((options) => esbuild({ ...options, write: false })));
  return shippedPackages(root, results.map(metafileOf));
}

/**
 * Builds everything that the VSIX contains, including the third-party notices.
 * @throws if a package may not be shipped, or if esbuild finds an error, which it has then printed
 */
export async function build(settings: BuildSettings = {}): Promise<void> {
  const outdir = settings.outdir ?? join(root, 'dist');
  await rm(outdir, { recursive: true, force: true });
  const results = await Promise.all(bundles(settings).map((options) => esbuild(options)));
  const packages = shippedPackages(root, results.map(metafileOf));
  const problems = licenseProblems(packages);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  await copyGrammars(outdir);
  const ofGrammars = await readFile(join(root, 'scripts/grammar-notices.txt'), 'utf8');
  await writeFile(join(outdir, 'ThirdPartyNotices.txt'), `${notices(packages)}${ofGrammars}`);
}

/** Copies the tree-sitter grammars, which the server loads on demand. */
async function copyGrammars(outdir: string): Promise<void> {
  const from = dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
  const files = ['tree-sitter.wasm', ...Object.keys(queries).map((grammar) => `tree-sitter-${grammar}.wasm`)];
  for (const file of files) await cp(join(from, file), join(outdir, 'grammars', file));
}

/** Bundles a CommonJS file that runs inside the real extension host. Returns its path. */
export async function buildInHost(
  entry = 'test/vscode/in-host/index.ts',
  outfile = join(root, 'dist-test/in-host.cjs'),
): Promise<string> {
  await mkdir(dirname(outfile), { recursive: true });
  await esbuild({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    mainFields: ['module', 'main'],
    target: nodeTarget,
    format: 'cjs',
    external: ['vscode'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return outfile;
}

/** Rebuilds whenever a source file changes, until the process ends. */
async function watch(): Promise<void> {
  const outdir = join(root, 'dist');
  await rm(outdir, { recursive: true, force: true });
  await copyGrammars(outdir);
  let running = 0;
  // VS Code's background task waits for these lines (.vscode/tasks.json).
  const say: Plugin = {
    name: 'say',
    setup(build) {
      build.onStart(() => {
        if (running++ === 0) console.log('[watch] build started');
      });
      build.onEnd(() => {
        if (--running === 0) console.log('[watch] all built');
      });
    },
  };
  const contexts = await Promise.all(
    bundles({}).map((options) => context({ ...options, plugins: [...(options.plugins ?? []), say] })),
  );
  await Promise.all(contexts.map((one) => one.watch()));
}

function metafileOf({ metafile }: BuildResult): Metafile {
  return metafile ?? { inputs: {}, outputs: {} };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { watch: { type: 'boolean' }, minify: { type: 'boolean' } } });
  const started = performance.now();
  try {
    if (values.watch) await watch();
    else await build({ minify: values.minify ?? false });
    if (!values.watch) console.log(`Built dist/ in ${Math.round(performance.now() - started)} ms.`);
  } catch (error) {
    // esbuild has already printed its own errors.
    if (!(error instanceof Error && 'errors' in error)) console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
