import type { Language } from '@devlm/protocol/execution.ts';

/*
 * Small wrong versions of a piece of code. Tests that pass with all of them check nothing. Textual on
 * purpose: one row of patterns for each kind of change, looked for outside of comments.
 */

/** A version of a file with one change. */
export interface Mutation {
  /** 1-based. */
  readonly line: number;
  /** What stood there, and what stands there now. */
  readonly before: string;
  readonly after: string;
  /** The whole file. */
  readonly text: string;
}

/** Lines of a file, 1-based and inclusive. */
export interface Lines {
  readonly from: number;
  readonly to: number;
}

type Family = 'python' | 'script' | 'go' | 'ruby';

const families: Partial<Record<Language, Family>> = {
  python: 'python',
  javascript: 'script',
  typescript: 'script',
  go: 'go',
  ruby: 'ruby',
};

const quoted = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`;
/** After these a slash begins an expression, not a division. */
const regexp = String.raw`(?<=[(,=:[!&|?{};~]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/`;

/** What is text or comment, and no code. */
const notCode: Readonly<Record<Family, RegExp>> = {
  python: new RegExp(String.raw`"""[\s\S]*?"""|'''[\s\S]*?'''|${quoted}|#[^\n]*`, 'g'),
  script: new RegExp(String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/|\`(?:\\.|[^\`\\])*\`|${quoted}|${regexp}`, 'g'),
  go: new RegExp(String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/|\`[^\`]*\`|${quoted}`, 'g'),
  ruby: new RegExp(
    String.raw`^=begin[\s\S]*?^=end|<<[~-]?(['"]?)(\w+)\1[\s\S]*?^\s*\2$|%[wi]\[[^\]]*\]|${quoted}|#[^\n]*|${regexp}`,
    'gm',
  ),
};

interface Kind {
  readonly pattern: RegExp;
  readonly change: (found: string) => string;
  readonly only?: readonly Family[];
}

const swaps = (pairs: Readonly<Record<string, string>>) => (found: string) =>
  found.replace(found.trim(), pairs[found.trim()] ?? found.trim());

const comparison = /(?<![=!<>])(?:===|!==|==|!=|<=(?!>)|>=)(?!=)|(?<=[\w)\]]) [<>] (?=[\w([-])/g;
/** Kinds of changes, in the order in which one of each is made. */
const kinds: readonly Kind[] = [
  {
    pattern: comparison,
    change: swaps({
      '===': '!==',
      '!==': '===',
      '==': '!=',
      '!=': '==',
      '<=': '>',
      '>=': '<',
      '<': '>=',
      '>': '<=',
    }),
  },
  {
    pattern: /(?<=[\w)\]'"]) (?:\+|-|\*|\/\/|\/|%|\*\*) (?=[\w(['"-])/g,
    change: swaps({ '+': '-', '-': '+', '*': '+', '/': '*', '//': '*', '%': '*', '**': '*' }),
  },
  {
    pattern:
      /(?<=[ \t])return[ \t]+(?!(?:None|nil|null|undefined)\b)[^\s;{[(](?:[^;\n{[(]|\([^()\n]*\)|\[[^[\]\n]*\])*(?=;|\}|\s*$)/gm,
    change: () => 'return',
    only: ['python', 'script', 'ruby'],
  },
  {
    pattern: /&&|\|\||\b(?:and|or)\b/g,
    change: swaps({ '&&': '||', '||': '&&', and: 'or', or: 'and' }),
  },
  { pattern: /(?<![\w.])\d+(?![\w.])/g, change: (found) => String(Number(found) + 1) },
  {
    pattern: /\b(?:True|False|true|false)\b/g,
    change: swaps({ True: 'False', False: 'True', true: 'false', false: 'true' }),
  },
  // At the border only: some of these change nothing that can be seen.
  { pattern: comparison, change: swaps({ '<=': '<', '>=': '>', '<': '<=', '>': '>=' }) },
  { pattern: /\+=|-=/g, change: swaps({ '+=': '-=', '-=': '+=' }) },
];

/**
 * Up to `most` versions of a source with one small change each within the lines, of as many kinds and
 * places as there are. The same source gives the same ones.
 */
export function mutationsOf(source: string, language: Language, lines: Lines | null, most: number): Mutation[] {
  const family = families[language];
  if (!family) return [];
  const code = codeOf(source, family);
  const from = lines ? offsetOfLine(code, lines.from) : 0;
  const to = lines ? offsetOfLine(code, lines.to + 1) : code.length;
  const byKind = kinds
    .filter(({ only }) => !only || only.includes(family))
    .map(({ pattern, change }) =>
      [...code.matchAll(pattern)]
        .filter(({ index }) => index >= from && index < to)
        .map(({ 0: found, index }) => ({ index, found, put: change(found) }))
        .filter(({ found, put }) => found !== put),
    );
  // Texts are changed as a whole, so that a function that only makes some has mutants too.
  byKind.push(texts(source, family).filter(({ index }) => index >= from && index < to));
  const chosen: Mutation[] = [];
  for (let round = 0; chosen.length < most && byKind.some((found) => found.length > round); round++) {
    for (const found of byKind) {
      const one = found[round];
      if (!one || chosen.length === most) continue;
      chosen.push({
        line: code.slice(0, one.index).split('\n').length,
        before: one.found.trim().slice(0, 200),
        after: one.put.trim().slice(0, 200),
        text: source.slice(0, one.index) + one.put + source.slice(one.index + one.found.length),
      });
    }
  }
  return chosen;
}

/** Where a function or method of this name is defined; null where none is found. */
export function linesOfFunction(source: string, language: Language, name: string): Lines | null {
  const family = families[language];
  if (!family) return null;
  const code = codeOf(source, family);
  const own =
    name
      .split(/[.#:]/)
      .at(-1)
      ?.replaceAll(/[^\w$?!=]/g, '') ?? '';
  if (own === '') return null;
  const escaped = own.replaceAll(/[$?]/g, '\\$&');
  const heads: Readonly<Record<Family, string>> = {
    python: `^[ \\t]*(?:async[ \\t]+)?(?:def|class)[ \\t]+${escaped}\\b`,
    ruby: `^[ \\t]*(?:\\w+[ \\t]+)?(?:def[ \\t]+(?:self\\.)?|class[ \\t]+|module[ \\t]+)${escaped}(?!\\w)`,
    go: `^func[ \\t]+(?:\\([^)]*\\)[ \\t]*)?${escaped}\\b`,
    script: `^[ \\t]*(?:export[ \\t]+)?(?:default[ \\t]+)?(?:(?:async[ \\t]+)?function\\*?[ \\t]+${escaped}\\b|(?:const|let|var)[ \\t]+${escaped}[ \\t]*[=:]|class[ \\t]+${escaped}\\b|(?:\\w+[ \\t]+)*${escaped}[ \\t]*\\([^;{]*\\{)`,
  };
  const head = new RegExp(heads[family], 'm').exec(code);
  if (!head) return null;
  const from = code.slice(0, head.index).split('\n').length;
  const all = code.split('\n');
  const indent = (line: string) => /^[ \t]*/.exec(line)?.[0].length ?? 0;
  const margin = indent(all[from - 1] ?? '');
  let to = from;
  // All of these are indented by habit, and two of them by law: the next line at the margin ends it.
  for (let at = from; at < all.length; at++) {
    const line = all[at] ?? '';
    if (line.trim() === '') continue;
    const closes = /^\s*(?:[)\]}]|end\b)/.test(line);
    if (indent(line) > margin || (closes && indent(line) === margin)) to = at + 1;
    else break;
    if (closes && indent(line) === margin && !/[{(]\s*$/.test(line)) break;
  }
  return { from, to };
}

/** The source with spaces in the place of all that is no code; every character keeps its place. */
function codeOf(source: string, family: Family): string {
  return source.replace(notCode[family], (found) => found.replaceAll(/[^\n]/g, ' '));
}

/** Texts of one line that stand for a value: no docstrings, no names of what is imported. */
function texts(source: string, family: Family): { index: number; found: string; put: string }[] {
  return [...source.matchAll(notCode[family])].flatMap(({ 0: found, index }) => {
    if (!/^(["']).+\1$/.test(found)) return [];
    const line = source.slice(source.lastIndexOf('\n', index - 1) + 1, index);
    if (
      line.trim() === '' ||
      /^\s*(?:import|from|export .* from|require|package)\b|require(?:_relative)?[ (]+$/.test(line)
    )
      return [];
    // A rune of Go cannot be empty.
    if (family === 'go' && found.startsWith("'")) return [];
    return [{ index, found, put: found.slice(0, 1) + found.slice(-1) }];
  });
}

/** Where a line begins, 1-based; the end where there is none. */
function offsetOfLine(text: string, line: number): number {
  let at = 0;
  for (let n = 1; n < line; n++) {
    const next = text.indexOf('\n', at);
    if (next < 0) return text.length;
    at = next + 1;
  }
  return at;
}
