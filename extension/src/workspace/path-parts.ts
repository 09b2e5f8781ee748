import { refusals } from './problems.ts';

/**
 * Returns the parts of a path as the agent writes it: relative, with `/`. The parts of `.` are empty.
 *
 * @param windows whether `\` and `:` have a meaning in paths
 * @throws ProblemError `outside_workspace` or `invalid_path`
 */
export function pathParts(path: string, windows = process.platform === 'win32'): string[] {
  if (path.includes('\0')) throw refusals.badPath(path, 'it contains a NUL character');
  if (path.startsWith('/') || /^[a-z]:[\\/]/i.test(path) || path.startsWith('\\\\')) throw refusals.outside(path);
  // Device names, drives and alternate data streams all need one of these characters.
  if (windows && /[\\:*?"<>|]/.test(path))
    throw refusals.badPath(path, 'it contains a character that file names cannot have on this system');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refusals.outside(path);
  // Windows drops trailing dots and spaces, so `.. ` and `.git.` would name other files than they appear to.
  if (windows && parts.some((part) => /[. ]$/.test(part)))
    throw refusals.badPath(path, 'a part of it ends with a dot or a space');
  return parts;
}
