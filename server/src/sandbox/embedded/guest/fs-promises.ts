import { promises } from './fs.ts';

/* `node:fs/promises`. */

export const { readFile, writeFile, appendFile, mkdir, readdir, stat, lstat, access, rm, rmdir, unlink, rename } =
  promises;
export const { copyFile, mkdtemp, realpath, constants } = promises;
export default promises;
