/**
 * Compiles a glob for paths, as used in rules: `*` and `?` match within a folder, `**` matches across folders.
 * @param anyCase whether case is ignored
 */
export function wildcard(glob: string, anyCase: boolean): RegExp {
  const source = glob.replace(/\*\*\/|\*+|\?|[.+^${}()|[\]\\]/g, (token) => {
    if (token === '**/') return '(?:[^/]+/)*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    return token.startsWith('**') ? '.*' : `\\${token}`;
  });
  return new RegExp(`^${source}$`, anyCase ? 'isu' : 'su');
}
