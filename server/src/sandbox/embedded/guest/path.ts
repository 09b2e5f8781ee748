import packaged from 'path-browserify/';

/* `node:path`, from the npm package `path-browserify`. */

const path = Object.assign(packaged, { toNamespacedPath: (name: string): string => name });
export const { basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, posix, relative } =
  path;
export const { resolve, sep, toNamespacedPath } = path;
export default path;
