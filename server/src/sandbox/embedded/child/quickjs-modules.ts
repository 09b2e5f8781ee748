import { readdirSync, readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { guestPackages, wrapPackage } from './guest-packages.ts';
import { FsError, type MemoryFs } from './memory-fs.ts';

/** Modules of the library for QuickJS programs. */
export interface GuestModules {
  /** Sources of the modules that programs may import, by their name without `node:`. */
  readonly sources: ReadonlyMap<string, string>;
  /** Sources of the packages that these modules are built on, by name. */
  readonly packages: ReadonlyMap<string, string>;
}

/** Names of Node's built-in modules. Those that the library lacks can be imported, but their functions throw. */
const builtins = new Set(nodeModule.builtinModules.filter((name) => !name.startsWith('_')));
const { stripTypeScriptTypes } = nodeModule;

/**
 * Reads the library, which is TypeScript in the repository and JavaScript in a build.
 *
 * @param packagesFolder folder with the files of `guestPackages`
 */
export function loadGuestModules(folder: string, packagesFolder: string): GuestModules {
  const sources = new Map<string, string>();
  for (const file of readdirSync(folder)) {
    const [, name, kind] = /^([\w-]+)\.(ts|js)$/.exec(file) ?? [];
    if (name === undefined) continue;
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    sources.set(moduleOf(name), kind === 'ts' ? stripTypeScriptTypes(text) : text);
  }
  const packages = new Map<string, string>();
  for (const [name, entry] of Object.entries(guestPackages)) {
    packages.set(name, wrapPackage(entry, readFileSync(`${packagesFolder}/${entry.file}`, 'utf8')));
  }
  return { sources, packages };
}

/** Returns the module name of a library file, such as `fs/promises` for `fs-promises`. */
function moduleOf(file: string): string {
  return file === 'perf-hooks' || file === 'string-decoder' ? file.replace('-', '_') : file.replace('-', '/');
}

/** Resolves an import specifier to `node:NAME`, `devlm:NAME` or a path. */
export function normalize(base: string, name: string, modules: GuestModules, fs: MemoryFs): string {
  if (name.startsWith('devlm:')) return name;
  // The library's own files import each other by file name.
  const own = /^\.\/([\w-]+)\.(?:ts|js)$/.exec(name)?.[1];
  if (own !== undefined && /^(node|devlm):/.test(base)) return `devlm:${moduleOf(own)}`;
  // They import packages with a slash at the end, which no built-in module has.
  if (base.startsWith('devlm:') && name.endsWith('/')) return `devlm:npm/${name.slice(0, -1)}`;
  const builtin = name.replace(/^node:/, '');
  if (modules.sources.has(builtin) && (name.startsWith('node:') || builtins.has(builtin))) return `devlm:${builtin}`;
  if (builtins.has(builtin)) return `node:${builtin}`;
  if (/^(\.{1,2}\/|\/|file:\/\/\/)/.test(name)) {
    const path = name.startsWith('file:') ? decodeURIComponent(new URL(name).pathname) : name;
    return resolveFile(path.startsWith('/') ? path : `${base.slice(0, base.lastIndexOf('/'))}/${path}`, fs, base);
  }
  return resolvePackage(base, name, fs);
}

/**
 * Returns the source text of a module.
 * @param plain whether to return the file's own text for `require`, not an ES module
 */
export function sourceOf(name: string, modules: GuestModules, fs: MemoryFs, plain = false): string {
  const own = /^(?:node|devlm):(.+)$/.exec(name)?.[1];
  if (own?.startsWith('npm/')) return modules.packages.get(own.slice(4)) ?? '';
  if (own !== undefined) return modules.sources.get(own) ?? stubOf(own);
  const text = Buffer.from(fs.read(name)).toString('utf8').replace(/^#!.*/, '');
  if (name.endsWith('.json')) return plain ? text : `export default ${text};`;
  const source = /\.[cm]?tsx?$/.test(name) ? stripTypes(text, name) : text;
  if (plain || !isCommonJs(name, source)) return source;
  return `import { requireOf } from 'devlm:require';
const exported = requireOf('/')(${JSON.stringify(name)});
export default exported;
${exportedNames(source)
  .map((key) => `export const ${key} = exported.${key};`)
  .join('\n')}`;
}

/** Loads Node's TypeScript compiler, so that the first program does not wait for it. */
export function warmTypeScript(): void {
  try {
    stripTypes('enum A { B = 1 }', '');
  } catch {
    // Ignored, because compiling the program reports the same error.
  }
}

function stripTypes(text: string, name: string): string {
  if (!stripTypeScriptTypes) {
    throw new SyntaxError('TypeScript requires Node 22.13 or newer here. Update the editor, or install Docker.');
  }
  try {
    return stripTypeScriptTypes(text, { mode: 'transform' });
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    throw new SyntaxError(`${name}: ${why}`);
  }
}

function isCommonJs(name: string, source: string): boolean {
  if (/\.cjs$|\.cts$/.test(name)) return true;
  if (/\.m[jt]s$/.test(name)) return false;
  if (/^\s*(import\b(?!\s*\()|export\b)/m.test(source)) return false;
  return /\brequire\s*\(|\bmodule\.exports\b|\bexports\.\w/.test(source);
}

function exportedNames(source: string): string[] {
  const names = new Set<string>();
  for (const [, name] of source.matchAll(/\bexports\.([A-Za-z_$][\w$]*)\s*=/g)) if (name) names.add(name);
  const [, list] = /\bmodule\.exports\s*=\s*\{([^}]*)\}/.exec(source) ?? [];
  for (const [, name] of (list ?? '').matchAll(/(?:^|,)\s*([A-Za-z_$][\w$]*)\s*(?=[,:(}]|$)/g))
    if (name) names.add(name);
  names.delete('default');
  return [...names];
}

/** Returns the source of a built-in module that the library lacks, whose functions throw. */
function stubOf(name: string): string {
  if (!builtins.has(name)) throw new FsError('ERR_UNKNOWN_BUILTIN_MODULE', 'no such built-in module', 'import', name);
  const found: unknown = process.getBuiltinModule(name);
  const keys = Object.keys(found ?? {}).filter((key) => /^[A-Za-z_$][\w$]*$/.test(key) && key !== 'default');
  return `const missing = (key) => function () {
  const error = new Error('${name}.' + key + ' is not available in the embedded sandbox. Install Docker to use it.');
  error.code = 'ERR_ACCESS_DENIED';
  throw error;
};
const all = { ${keys.map((key) => `${key}: missing('${key}')`).join(', ')} };
export default all;
export const { ${keys.map((key) => `${key}: ${key}_`).join(', ')} } = all;
export { ${keys.map((key) => `${key}_ as ${key}`).join(', ')} };`.replace(
    /^export const (\{.*\}) = all;$/m,
    'const $1 = all;',
  );
}

function resolveFile(path: string, fs: MemoryFs, base: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  const whole = `/${names.join('/')}`;
  const candidates = ['', '.js', '.mjs', '.cjs', '.ts', '.mts', '.json', '/index.js', '/index.mjs', '/index.ts'];
  const found = candidates.map((ending) => whole + ending).find((file) => fs.isFile(file));
  if (!found) throw new FsError('ERR_MODULE_NOT_FOUND', `cannot find module imported from ${base}`, 'import', whole);
  return found;
}

function resolvePackage(base: string, name: string, fs: MemoryFs): string {
  const [, packageName = name, rest = ''] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(name) ?? [];
  for (let folder = base; folder.includes('/'); ) {
    folder = folder.slice(0, folder.lastIndexOf('/'));
    const root = `${folder}/node_modules/${packageName}`;
    if (rest !== '' && fs.isFile(root + rest)) return root + rest;
    if (!fs.isFile(`${root}/package.json`)) continue;
    const manifest: { main?: string; module?: string } = JSON.parse(
      Buffer.from(fs.read(`${root}/package.json`)).toString('utf8'),
    );
    return resolveFile(`${root}/${rest || (manifest.module ?? manifest.main ?? 'index.js')}`, fs, base);
  }
  throw new FsError(
    'ERR_MODULE_NOT_FOUND',
    `cannot find package; the embedded sandbox has no packages. Add the files of the package, or install Docker.`,
    'import',
    name,
  );
}
