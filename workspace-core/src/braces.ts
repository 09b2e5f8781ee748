/** Maximum number of globs that a glob with braces expands to. Further ones are dropped. */
const maxGlobs = 1_000;

/** The innermost braces of a glob, unless they are escaped. */
const innermostBraces = /(?<!\\)\{((?:[^{}\\]|\\.)*)\}/;

/** Expands `*.{a,b}` to `*.a` and `*.b`. Braces may be nested. */
export function expandBraces(glob: string): string[] {
  const globs = new Set<string>();
  const waiting = [glob];
  for (let next = waiting.pop(); next !== undefined && globs.size < maxGlobs; next = waiting.pop()) {
    const [braces, choices = ''] = innermostBraces.exec(next) ?? [];
    if (braces === undefined) globs.add(next);
    else waiting.push(...alternatives(next, braces, choices).reverse());
  }
  return [...globs];
}

function alternatives(glob: string, braces: string, choices: string): string[] {
  return choices.split(',').map((choice) => glob.replace(braces, () => choice));
}
