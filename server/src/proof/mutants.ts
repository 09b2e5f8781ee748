import type { Language } from '@devlm/protocol/execution.ts';

/*
 * Creates mutants: versions of a piece of code with one small change. Tests that pass with all of them check nothing.
 * The changes are textual on purpose: one pattern for each kind of change, matched outside of comments.
 */

/** A mutant of a file. */
export interface Mutation {
  /** 1-based line of the change. */
  readonly line: number;
  /** The original text. */
  readonly before: string;
  /** The text that replaces it. */
  readonly after: string;
  /** The text of the whole changed file. */
  readonly text: string;
}

/** A range of lines of a file, 1-based and inclusive. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** Languages that share their patterns. */
type Family = 'python' | 'script' | 'go' | 'ruby';

const families: Partial<Record<Language, Family>> = {
  python: 'python',
  javascript: 'script',
  typescript: 'script',
  go: 'go',
  ruby: 'ruby',
};

const quoted = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`;
/** A regular expression literal. After these characters, a slash is not a division. */
const regexp = String.raw`(?<=[(,=:[!&|?{};~]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/`;

/** Matches string literals and comments. */
const notCode: Readonly<Record<Family, RegExp>> = {
  python: new RegExp(String.raw`"""[\s\S]*?"""|'''[\s\S]*?'''|${quoted}|#[^\n]*`, 'g'),
  script: new RegExp(String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/|\`(?:\\.|[^\`\\])*\`|${quoted}|${regexp}`, 'g'),
  go: new RegExp(String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/|\`[^\`]*\`|${quoted}`, 'g'),
  ruby: new RegExp(
    String.raw`^=begin[\s\S]*?^=end|<<[~-]?(['"]?)(\w+)\1[\s\S]*?^\s*\2$|%[wi]\[[^\]]*\]|${quoted}|#[^\n]*|${regexp}`,
    'gm',
  ),
};

/** A kind of change. */
interface MutationKind {
  readonly pattern: RegExp;
  readonly change: (found: string) => string;
  /** The families that it applies to. Default: all. */
  readonly only?: readonly Family[];
}

const swaps = (pairs: Readonly<Record<string, string>>) => (found: string) =>
  found.replace(found.trim(), pairs[found.trim()] ?? found.trim());

const comparison = /(?<![=!<>])(?:===|!==|==|!=|<=(?!>)|>=)(?!=)|(?<=[\w)\]]) [<>] (?=[\w([-])/g;
/** All kinds of changes, in the order in which one change of each is made. */
const kinds: readonly MutationKind[] = [
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
  // Boundary changes come late, because some of them have no visible effect.
  { pattern: comparison, change: swaps({ '<=': '<', '>=': '>', '<': '<=', '>': '>=' }) },
  { pattern: /\+=|-=/g, change: swaps({ '+=': '-=', '-=': '+=' }) },
];

/**
 * Returns up to `max` mutants of a source, each with one small change within the lines. The changes are spread over as
 * many kinds and places as possible. The same source gives the same mutants.
 */
export function mutationsOf(source: string, language: Language, lines: LineRange | null, max: number): Mutation[] {
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
  // String literals are replaced as a whole, so that functions that only produce strings have mutants too.
  byKind.push(stringLiterals(source, family).filter(({ index }) => index >= from && index < to));
  const chosen: Mutation[] = [];
  for (let round = 0; chosen.length < max && byKind.some((found) => found.length > round); round++) {
    for (const found of byKind) {
      const change = found[round];
      if (!change || chosen.length === max) continue;
      chosen.push({
        line: code.slice(0, change.index).split('\n').length,
        before: change.found.trim().slice(0, 200),
        after: change.put.trim().slice(0, 200),
        text: source.slice(0, change.index) + change.put + source.slice(change.index + change.found.length),
      });
    }
  }
  return chosen;
}

/** Returns the lines of the definition of a function or method, or null if it is not found. */
export function linesOfFunction(source: string, language: Language, name: string): LineRange | null {
  const family = families[language];
  if (!family) return null;
  const code = codeOf(source, family);
  const plainName =
    name
      .split(/[.#:]/)
      .at(-1)
      ?.replaceAll(/[^\w$?!=]/g, '') ?? '';
  if (plainName === '') return null;
  const escaped = plainName.replaceAll(/[$?]/g, '\\$&');
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
  // A definition ends before the next line at its own indentation: by syntax in Python, by gofmt in Go, otherwise by
  // convention.
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

/** Returns the source with spaces in place of strings and comments, so that offsets stay the same. */
function codeOf(source: string, family: Family): string {
  return source.replace(notCode[family], (found) => found.replaceAll(/[^\n]/g, ' '));
}

/**
 * Returns the single-line string literals that are values, with their replacements. Docstrings and names of imports are
 * left out.
 */
function stringLiterals(source: string, family: Family): { index: number; found: string; put: string }[] {
  return [...source.matchAll(notCode[family])].flatMap(({ 0: found, index }) => {
    if (!/^(["']).+\1$/.test(found)) return [];
    const line = source.slice(source.lastIndexOf('\n', index - 1) + 1, index);
    if (
      line.trim() === '' ||
      /^\s*(?:import|from|export .* from|require|package)\b|require(?:_relative)?[ (]+$/.test(line)
    )
      return [];
    // A rune literal of Go cannot be empty.
    if (family === 'go' && found.startsWith("'")) return [];
    return [{ index, found, put: found.slice(0, 1) + found.slice(-1) }];
  });
}

/** Returns the offset of a line (1-based), or the length of the text if there is no such line. */
function offsetOfLine(text: string, line: number): number {
  let at = 0;
  for (let n = 1; n < line; n++) {
    const next = text.indexOf('\n', at);
    if (next < 0) return text.length;
    at = next + 1;
  }
  return at;
}
