/** A CommonJS file of an npm package that the guest library is built on. */
interface GuestPackage {
  /** Path of the file in `node_modules`. */
  readonly file: string;
  /** Modules that its calls to `require` return, by the name that it passes. */
  readonly requires: Readonly<Record<string, string>>;
  /** Globals that it needs and QuickJS lacks. They are empty objects while it loads. */
  readonly missing?: readonly string[];
}

/** Packages of the guest library, by name. `docs/decisions/0014-guest-modules.md` says why these and no others. */
export const guestPackages: Readonly<Record<string, GuestPackage>> = {
  'base64-js': { file: 'base64-js/index.js', requires: {} },
  ieee754: { file: 'ieee754/index.js', requires: {} },
  buffer: {
    file: 'buffer/index.js',
    requires: { 'base64-js': 'devlm:npm/base64-js', ieee754: 'devlm:npm/ieee754' },
  },
  events: { file: 'events/events.js', requires: {} },
  'node-inspect-extracted': {
    file: 'node-inspect-extracted/dist/inspect.js',
    requires: {},
    missing: ['Atomics'],
  },
  'path-browserify': { file: 'path-browserify/index.js', requires: {} },
  // Its safe-buffer only fills in what old versions of Node lack.
  string_decoder: { file: 'string_decoder/lib/string_decoder.js', requires: { 'safe-buffer': 'devlm:buffer' } },
};

/** Returns an ES module whose default export is what a CommonJS file exports. */
export function wrapPackage({ requires, missing = [] }: GuestPackage, source: string): string {
  const modules = Object.entries(requires);
  return `${modules.map(([, name], i) => `import module${i} from '${name}';`).join('')}
const required = { ${modules.map(([name], i) => `'${name}': module${i}`).join(', ')} };
const commonJs = { exports: {} };
${missing.map((name) => `globalThis.${name} = {};`).join('')}
(function (module, exports, require) {
${source}
}).call(commonJs.exports, commonJs, commonJs.exports, (name) => required[name]);
${missing.map((name) => `delete globalThis.${name};`).join('')}
export default commonJs.exports;`;
}
