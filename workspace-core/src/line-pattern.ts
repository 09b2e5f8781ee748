import { invalidPattern } from './search-problems.ts';

/** What a search looks for. */
export interface LinePattern {
  readonly pattern: string;
  /** Whether the pattern is a regular expression. */
  readonly isRegex: boolean;
  readonly caseSensitive: boolean;
}

/** Returns whether a match may extend over several lines: only if the pattern says so with a line break. */
export function isMultiline({ pattern, isRegex }: LinePattern): boolean {
  return pattern.includes('\n') || (isRegex && pattern.includes('\\n'));
}

/** Matches line breaks in the source of a regular expression, and the escapes and classes to skip before them. */
const lineBreaks = /\[(?:\\.|[^\]\\])*\]|\\r\?\\n|\\r\\n|\\n|\\.|\r?\n/gsu;

/**
 * Returns the source of the regular expression for a pattern.
 *
 * @param lineBreak what replaces its line breaks, so that each stands for LF and CRLF alike
 */
export function sourceOf({ pattern, isRegex }: LinePattern, lineBreak: '\\n' | '\\r?\\n'): string {
  const source = isRegex ? pattern : pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return source.replaceAll(lineBreaks, (part) => (/^(?:\\r\??)?\\n$|\n$/.test(part) ? lineBreak : part));
}

/**
 * Compiles a pattern for JavaScript. A pattern of one line is for single lines, any other for texts whose line breaks are
 * all `\n`.
 *
 * @throws ProblemError `invalid_pattern`
 */
export function compilePattern(pattern: LinePattern): RegExp {
  const source = sourceOf(pattern, '\\n');
  const flags = `${pattern.caseSensitive ? '' : 'i'}${isMultiline(pattern) ? 'gm' : ''}`;
  try {
    return new RegExp(source, `${flags}u`);
  } catch (error) {
    try {
      // Escapes such as `\-`, which other engines know, are invalid only with the flag u.
      return new RegExp(source, flags);
    } catch {
      throw invalidPattern(error instanceof Error ? error.message : String(error));
    }
  }
}
