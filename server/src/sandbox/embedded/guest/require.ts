import { host } from './host.ts';

/* CommonJS modules, which are loaded once per path. */

interface Module {
  readonly id: string;
  exports: unknown;
  loaded: boolean;
}
type Require = ((name: string) => unknown) & { resolve(name: string): string; cache: Record<string, Module> };

const cache: Record<string, Module> = {};
/** Modules of the library by their full names. They are added at the start. */
export const namespaces = new Map<string, Record<string, unknown>>();

/** Returns the `require` function of a module. */
export function requireOf(base: string): Require {
  const require = (name: string): unknown => {
    const path = host.resolve(base, name);
    const own = namespaces.get(path);
    if (own) return own['default'] ?? own;
    if (path.startsWith('node:')) return stub(path);
    const known = cache[path];
    if (known) return known.exports;
    const module: Module = { id: path, exports: {}, loaded: false };
    cache[path] = module;
    try {
      const source = host.source(path);
      if (path.endsWith('.json')) module.exports = JSON.parse(source);
      else {
        const folder = path.slice(0, path.lastIndexOf('/')) || '/';
        const run = new Function(
          'exports',
          'require',
          'module',
          '__filename',
          '__dirname',
          `${source}\n//# sourceURL=${path}`,
        );
        run.call(module.exports, module.exports, requireOf(path), module, path, folder);
      }
    } catch (error) {
      delete cache[path];
      throw error;
    }
    module.loaded = true;
    return module.exports;
  };
  return Object.assign(require, { resolve: (name: string) => host.resolve(base, name), cache });
}

/** Returns a proxy for a Node module that the library lacks, whose functions throw. */
function stub(name: string): unknown {
  return new Proxy(
    {},
    {
      get: (_, key) => {
        if (typeof key === 'symbol') return undefined;
        return () => {
          const error = new Error(`${name}.${key} is not available in the embedded sandbox; install Docker for it`);
          throw Object.assign(error, { code: 'ERR_ACCESS_DENIED' });
        };
      },
    },
  );
}
