import { createHmac } from 'node:crypto';
import { placeholder, placeholderMark } from '@devlm/protocol/placeholder.ts';
import { LRUCache } from 'lru-cache';
import { secretFormats, wordStart } from './formats.ts';
import { SecretStream } from './stream.ts';
import { envValues, formsOf, isWorthHiding, looksReal } from './values.ts';

const placeholders = new RegExp(placeholder.source, 'g');
// Matches broken placeholders too: in another case, cut off, or without their number.
const anyPlaceholder = /DEVLM_?SECRET_\w*/gi;

/** Maximum number of credentials per conversation that are searched by value. The oldest are dropped first. */
const maxKnownValues = 1_000;
/** Maximum number of resolvable placeholders per conversation. The least recently seen are dropped first. */
const maxPlaceholders = 10_000;
/** Minimum length for a credential found by its context to be searched on its own afterwards, in characters. */
const minLearnedChars = 8;
/** Minimum length for a line of a private key to be searched on its own, in characters. */
const minKeyLineChars = 40;
/** Length below which a value is only found as a whole word, without a letter or digit next to it, in characters. */
const wholeWordChars = 12;

/** Minimum length of a text whose scan result is cached, in characters. Scanning a shorter text is faster. */
export const minCachedChars = 200;
/**
 * Cache of texts in which no format was found, bounded by their total length in characters. The result depends on the
 * text alone, and each step of each turn sends the same instructions and history.
 */
const withoutFormats = new LRUCache<string, true>({
  maxSize: 4_000_000,
  sizeCalculation: (_, text) => text.length,
});

/** Returns whether a text contains a placeholder, whole or broken. */
export function hasPlaceholder(text: string): boolean {
  return marksIn(text).size > 0;
}

/**
 * Returns the placeholders, whole or broken, that occur more often in the new text than in the old one: those that
 * an edit would add to a file, or that would put a credential in another place.
 */
export function addedPlaceholders(oldText: string, newText: string): string[] {
  const before = marksIn(oldText);
  return [...marksIn(newText)].filter(([mark, count]) => count > (before.get(mark) ?? 0)).map(([mark]) => mark);
}

function marksIn(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  if (!/devlm|[^\x20-\x7e\s]/i.test(text)) return counts;
  for (const [mark] of text
    .normalize('NFKC')
    .replace(/[\u200b-\u200f\u2060\ufeff]/g, '')
    .matchAll(anyPlaceholder))
    counts.set(mark, (counts.get(mark) ?? 0) + 1);
  return counts;
}

/**
 * The credentials of one conversation. `hide` replaces them before a text is sent or stored; only `restore` brings
 * them back. Values are kept in memory only: after a restart, a credential is unknown until it is read again, and
 * then gets the same placeholder. A placeholder never stands for a line end.
 */
export class Secrets {
  readonly #key: Uint8Array;
  readonly #values = new Map<string, string>();
  /** The encoded forms of each known value, oldest value first. */
  readonly #known = new Map<string, readonly string[]>();
  #pattern: RegExp | null = null;
  #version = 0;

  /** @param key at least 32 random bytes, kept secret: without the key, placeholders reveal nothing about values */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new RangeError('The key needs 32 bytes');
    this.#key = key;
  }

  /** Number that grows with each learned value: text that was hidden before may now be hidden differently. */
  get version(): number {
    return this.#version;
  }

  /** Learns the values of a `.env` file, except those too common to be a credential. */
  addEnvFile(text: string): void {
    for (const { name, value, raw } of envValues(text))
      for (const form of new Set([value, raw])) this.addVariable(name, form);
  }

  /** Learns the value of a variable, unless it is too common to be a credential. */
  addVariable(name: string, value: string): void {
    if (isWorthHiding(name, value)) this.add(value);
  }

  /**
   * Learns a value as a credential, whatever it looks like. Of a multi-line value, each line is learned. Values shorter
   * than 4 characters are ignored.
   */
  add(value: string): void {
    if (/[\r\n]/.test(value)) {
      const lines = value.split(/[\r\n]+/).map((line) => line.trim());
      for (const line of lines) if (line.length >= minLearnedChars && !line.startsWith('-----')) this.add(line);
      return;
    }
    if (value.length < 4 || value.includes(placeholderMark)) return;
    this.#learn(value, formsOf);
  }

  #learn(value: string, forms: (value: string) => readonly string[]): void {
    const known = this.#known.get(value);
    if (known) {
      // Move it to the end, so that it is dropped last.
      this.#known.delete(value);
      this.#known.set(value, known);
      return;
    }
    this.#known.set(value, forms(value));
    // Makes a placeholder that was issued before a restart resolvable again.
    this.#placeholder(value);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= maxKnownValues) break;
      this.#known.delete(oldest);
    }
    this.#pattern = null;
    this.#version++;
  }

  /** Returns the text with every credential replaced by its placeholder. Equal credentials have equal placeholders. */
  hide(text: string): string {
    if (text.length < 4) return text;
    const before = this.#version;
    const hidden = this.#hideFormats(this.hideKnown(text));
    // A credential that was found by its context may occur without it elsewhere in the text.
    return this.#version === before ? hidden : this.hideKnown(hidden);
  }

  /**
   * Returns the text with its placeholders replaced by their values, or null if a placeholder is unknown.
   *
   * @param put encodes a value for the place where it is inserted
   */
  restore(text: string, put: (value: string) => string = (value) => value): string | null {
    let missing = false;
    const restored = text.replace(placeholders, (mark) => {
      const value = this.#values.get(mark);
      missing ||= value === undefined;
      return value === undefined ? mark : put(value);
    });
    return missing ? null : restored;
  }

  /** Like `restore`, but leaves unknown placeholders as they are. */
  restoreKnown(text: string): string {
    return text.replace(placeholders, (mark) => this.#values.get(mark) ?? mark);
  }

  /** Creates a stream that hides credentials in text that arrives in pieces. `out` receives what can be shown. */
  stream(out: (text: string) => void): SecretStream {
    return new SecretStream((text) => this.hide(text), out);
  }

  /** Like `hide`, but replaces only known values and searches no formats. */
  hideKnown(text: string): string {
    if (this.#known.size === 0) return text;
    this.#pattern ??= patternOf([...this.#known.values()].flat());
    return text.replace(this.#pattern, (found) =>
      found.startsWith(placeholderMark) ? found : this.#placeholder(found),
    );
  }

  #hideFormats(text: string): string {
    if (text.length >= minCachedChars && withoutFormats.get(text)) return text;
    let hidden = text;
    const lower = text.toLowerCase();
    for (const { hints, pattern, entropy = 2.5, kind, parts } of secretFormats) {
      if (!hints.some((hint) => lower.includes(hint))) continue;
      hidden = hidden.replace(pattern, (match: string, ...rest: unknown[]) => {
        if (parts) {
          return match.replace(parts, (part) => {
            if (part.length >= minKeyLineChars) this.#learn(part, () => [part]);
            return this.#placeholder(part);
          });
        }
        const groups = rest.at(-1);
        const named = typeof groups === 'object' && groups !== null && 'secret' in groups ? groups.secret : undefined;
        const secret = typeof named === 'string' ? named : match;
        if (secret.includes(placeholderMark) || !looksReal(secret, entropy, kind)) return match;
        if (secret.length >= minLearnedChars) this.add(secret);
        const start = match.lastIndexOf(secret);
        return match.slice(0, start) + this.#placeholder(secret) + match.slice(start + secret.length);
      });
    }
    if (text.length >= minCachedChars && hidden === text) withoutFormats.set(text, true);
    return hidden;
  }

  #placeholder(value: string): string {
    const number = createHmac('sha256', this.#key).update(value).digest('hex').slice(0, 20).toUpperCase();
    const mark = placeholderMark + number;
    this.#values.delete(mark);
    this.#values.set(mark, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= maxPlaceholders) break;
      this.#values.delete(oldest);
    }
    return mark;
  }
}

/**
 * Returns a pattern that matches any of the forms, longest first. It also matches placeholders, before the forms, so
 * that no form is replaced inside a placeholder.
 */
function patternOf(forms: readonly string[]): RegExp {
  const sorted = [...new Set(forms)].sort((a, b) => b.length - a.length);
  const parts = sorted.map((form) => {
    const escaped = form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
    return form.length < wholeWordChars && /^\w+$/.test(form) ? `${wordStart}${escaped}(?!\\w)` : escaped;
  });
  return new RegExp([placeholder.source, ...parts].join('|'), 'g');
}
