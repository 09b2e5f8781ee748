/** Maximum pattern length, in UTF-16 code units. */
const maxPatternChars = 1_000;

/**
 * Compiles a glob that matches a whole path, as used in editor settings and .gitignore: `*`, `?`, `**`, `[a-z]`, and
 * with `braces` also `{a,b}`. Returns null if the glob is invalid.
 */
export function globRegExp(glob: string, braces: boolean): RegExp | null {
  if (glob.length > maxPatternChars) return null;
  try {
    return new RegExp(`^${sourceOf(glob, braces)}$`, 'su');
  } catch {
    return null;
  }
}

function sourceOf(glob: string, braces: boolean): string {
  let source = '';
  let depth = 0;
  for (let i = 0; i < glob.length; ) {
    const rest = glob.slice(i);
    const char = String.fromCodePoint(glob.codePointAt(i) ?? 0);
    const stars = /^\*+/.exec(rest)?.[0].length ?? 0;
    const set = char === '[' ? /^\[[!^]?\]?(?:\\.|[^\]\\])*\]/u.exec(rest)?.[0] : undefined;
    const isAtStart = i === 0 || '/{,'.includes(glob[i - 1] ?? '');
    if (stars > 1 && isAtStart && (rest[stars] === '/' || stars === rest.length)) {
      // Any number of folders. Consecutive `**/` are equivalent to one.
      const run = /^(?:\*\*+\/)+/.exec(rest)?.[0];
      source += run ? '(?:[^/]+/)*' : '.*';
      i += run?.length ?? stars;
    } else if (stars > 0) {
      source += '[^/]*';
      i += stars;
    } else if (set) {
      source += setOf(set);
      i += set.length;
    } else if (char === '\\' && rest.length > 1) {
      const next = String.fromCodePoint(glob.codePointAt(i + 1) ?? 0);
      source += escaped(next);
      i += 1 + next.length;
    } else {
      if (char === '?') source += '[^/]';
      else if (braces && char === '{') {
        source += '(?:';
        depth++;
      } else if (depth > 0 && char === ',') source += '|';
      else if (depth > 0 && char === '}') {
        source += ')';
        depth--;
      } else source += escaped(char);
      i += char.length;
    }
  }
  return source;
}

/** Returns a character class that never matches the slash. */
function setOf(set: string): string {
  const negated = /^\[[!^]/.test(set);
  const inside = set
    .slice(negated ? 2 : 1, -1)
    .replaceAll(/\\(.)/gsu, '$1')
    .replaceAll(/[\\\][^&|~(){}/]/g, '\\$&');
  return `(?!/)[${negated ? '^' : ''}${inside}]`;
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}
