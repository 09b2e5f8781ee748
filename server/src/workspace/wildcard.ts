/** A glob of a path as rules have them: `*` and `?` within a folder, `**` across folders. */
export function wildcard(glob: string, anyCase: boolean): RegExp {
  const source = glob.replace(/\*\*\/|\*+|\?|[.+^${}()|[\]\\]/g, (mark) => {
    if (mark === '**/') return '(?:[^/]+/)*';
    if (mark === '*') return '[^/]*';
    if (mark === '?') return '[^/]';
    return mark.startsWith('**') ? '.*' : `\\${mark}`;
  });
  return new RegExp(`^${source}$`, anyCase ? 'isu' : 'su');
}
