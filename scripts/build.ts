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
import { licenseProblems, notices, type ShippedPackage, shippedPackages } from './licenses.ts';

export const root = resolve(import.meta.dirname, '..');

/** The oldest Node that runs our code is that of the oldest supported editor (see engines.vscode). */
const nodeTarget = 'node22';

/** For libraries in CommonJS that are bundled into an ES module. */
const requireBanner =
  "import{createRequire as devlmRequire}from'node:module';const require=devlmRequire(import.meta.url),__dirname=import.meta.dirname,__filename=import.meta.filename;";

export interface BuildSettings {
  /** For a release: small, and without source maps. */
  readonly minify?: boolean;
  /** Where the bundles go; `dist/` of the repository by default. */
  readonly outdir?: string;
  /** For the VSIX: without what calls Bedrock and Vertex, for which it has no room. */
  readonly vsix?: boolean;
}

/** Express reads bodies in every encoding, with 0.2 MB of tables; the gateway lets none but UTF-8 through (body.ts). */
const utf8Only: Plugin = {
  name: 'utf8-only',
  setup({ onLoad }) {
    onLoad({ filter: /iconv-lite[\\/]encodings[\\/]tables[\\/][\w-]+\.json$/ }, () => ({
      contents: '[]',
      loader: 'json',
    }));
  },
};

/** VS Code loads an extension as CommonJS, which esbuild does not split. So modules are split, and each made CommonJS then. */
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
    // Their licenses are in ThirdPartyNotices.txt.
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
    // What is not needed to register is read when it is used.
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
    // What not every server needs, as Docker, PostgreSQL, Redis or MCP, is read when it is used.
    splitting: true,
    chunkNames: 'server-[hash]',
    // pg looks for the first two when asked to; nothing here asks. ssh2 is slower without the others, no more.
    external: ['pg-native', 'cloudflare:sockets', 'cpu-features', '*.node'],
    alias: {
      // dockerode builds images with these, 0.4 MB of them; nothing here builds any.
      '@grpc/grpc-js': 'node:module',
      '@grpc/proto-loader': 'node:module',
      protobufjs: 'node:module',
      // Only called for certificates of the environment, which client.ts replaces by the configured ones.
      'split-ca': 'node:assert',
      // The same as Node's own, for older ones.
      'readable-stream': 'node:stream',
    },
    plugins: [utf8Only],
    banner: { js: `#!/usr/bin/env node\n${requireBanner}` },
  };
}

/** The adapters for Bedrock and Vertex, which the server loads with the first call of such an instance. */
function platformBundle(node: BuildOptions, outdir: string): BuildOptions {
  return {
    ...node,
    entryPoints: ['server/src/llm/platforms/bedrock.ts', 'server/src/llm/platforms/vertex.ts'],
    outdir: join(outdir, 'platforms'),
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    // Anthropic's own SDK is in both.
    splitting: true,
    banner: { js: requireBanner },
  };
}

/** The programs that the server runs in processes and threads of their own. */
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

/** The modules that programs in QuickJS find in the embedded sandbox, each a file of its own. */
function guestModules(common: BuildOptions, outdir: string): BuildOptions {
  return {
    ...common,
    entryPoints: ['server/src/sandbox/embedded/guest/*.ts'],
    outdir: join(outdir, 'sandbox-guest'),
    // Programs import them one by one.
    bundle: false,
    sourcemap: false,
    // Their names are in the output of programs.
    minifyIdentifiers: false,
    target: 'es2023',
    format: 'esm',
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

/** Builds into memory, for what only needs to know what is inside. */
export async function shipped(): Promise<ShippedPackage[]> {
  const results = await Promise.all(bundles({ minify: true }).map((options) => esbuild({ ...options, write: false })));
  return shippedPackages(root, results.map(metafileOf));
}

/**
 * Builds everything that the VSIX holds, with the notices of what is inside.
 * Throws when a package may not be shipped, or when esbuild finds an error (it has then printed it).
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

/** The parsers of programs, which the server loads when it needs them. */
async function copyGrammars(outdir: string): Promise<void> {
  const from = dirname(createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm'));
  const files = ['tree-sitter.wasm', ...Object.keys(queries).map((grammar) => `tree-sitter-${grammar}.wasm`)];
  for (const file of files) await cp(join(from, file), join(outdir, 'grammars', file));
}

/** Bundles a CommonJS file that runs inside the real extension host, and answers its path. */
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

/** Builds again whenever a source changes, until the process ends. */
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
    // What esbuild finds it has printed already.
    if (!(error instanceof Error && 'errors' in error)) console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
