import { ProblemError } from '@devlm/protocol/problem.ts';

/** Maximum length of a path in UTF-16 code units, of its segments, and of a name in UTF-8 bytes. */
const pathLimits = { chars: 4096, segments: 100, nameBytes: 255 } as const;

/** Names of devices on Windows, with or without an extension. The digits include superscripts. */
const reservedNames = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ .]*(\.|:|$)/i;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const invisibleChars = /[\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/u;

/**
 * Splits a relative path into its segments. Rejects, on all systems alike, every path that any of the common systems would
 * read as something other than a file below the workspace, because projects move between machines.
 *
 * @throws ProblemError `outside_workspace`
 */
export function segmentsOf(path: string): string[] {
  const refuse = (reason: string): never => {
    throw outside(path, reason);
  };
  if (path.length > pathLimits.chars) refuse('it is too long');
  if (invisibleChars.test(path)) refuse('it contains invisible characters');
  if (/^[A-Za-z]:/.test(path)) refuse('it contains a drive letter');
  if (/^[\\/]/.test(path)) refuse('it is not relative to the workspace');
  if (/^~([\\/]|$)/.test(path)) refuse('it refers to a home folder');
  if (/^[a-z][a-z0-9+.-]+:/i.test(path)) refuse('it is an address, not a path');
  if (path.includes('\\')) refuse('it contains a backslash, but the separator is "/"');
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.length > pathLimits.segments) refuse('it is nested too deeply');
  for (const segment of segments) {
    if (segment === '..') refuse('it contains ".."');
    // Half-width and full-width dots and slashes fold to the plain ones on some file systems.
    const folded = segment.normalize('NFKC');
    if (folded === '..' || folded === '.' || /[\\/]/.test(folded)) refuse('a name in it looks like ".." or "/"');
    if (/^\.+[ .]*$|[ .]$/.test(segment)) refuse('a name in it ends with a dot or a space');
    if (segment.includes(':')) refuse('a name in it contains ":"');
    if (reservedNames.test(segment)) refuse('a name in it is reserved for a device');
    if (Buffer.byteLength(segment) > pathLimits.nameBytes) refuse('a name in it is too long');
  }
  return segments;
}

/** Returns `outside_workspace` for a path that is not, or no longer, in the workspace. */
export function outside(path: string, reason: string): ProblemError {
  const quoted = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
  return new ProblemError({
    code: 'outside_workspace',
    status: 403,
    title: 'Outside the workspace',
    detail: `${quoted} is not a path in the workspace: ${reason}.`,
  });
}
