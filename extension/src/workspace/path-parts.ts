import { refusals } from './problems.ts';

/**
 * The parts of a path as the agent writes it: relative, with `/`; empty for `.`.
 *
 * @param windows where `\` and `:` have a meaning in paths
 * @throws ProblemError `outside_workspace` or `invalid_path`
 */
export function pathParts(path: string, windows = process.platform === 'win32'): string[] {
  if (path.includes('\0')) throw refusals.badPath(path, 'it has a NUL in it');
  if (path.startsWith('/') || /^[a-z]:[\\/]/i.test(path) || path.startsWith('\\\\')) throw refusals.outside(path);
  // Device names, drives, alternate streams: all of them need one of these.
  if (windows && /[\\:*?"<>|]/.test(path))
    throw refusals.badPath(path, 'it has a character that this system has no files with');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refusals.outside(path);
  // Windows drops dots and spaces at the end, so `.. ` and `.git.` would be other files than they seem.
  if (windows && parts.some((part) => /[. ]$/.test(part)))
    throw refusals.badPath(path, 'a part of it ends with a dot or a space');
  return parts;
}
