import { createHmac } from 'node:crypto';
import { placeholder, placeholderMark } from '@devlm/protocol/placeholder.ts';
import { LRUCache } from 'lru-cache';
import { secretFormats, wordStart } from './formats.ts';
import { SecretStream } from './stream.ts';
import { envValues, formsOf, looksReal, worthHiding } from './values.ts';

const placeholders = new RegExp(placeholder.source, 'g');
// Broken ones too: in another case, cut off, or without its number.
const anyPlaceholder = /DEVLM_?SECRET_\w*/gi;

/** Credentials of one conversation that are looked for by their value; the oldest are forgotten. */
const mostKnown = 1_000;
/** Placeholders of one conversation that can be resolved; those not seen for longest are forgotten. */
const mostPlaceholders = 10_000;
/** A value that is found by what stands beside it is from then on looked for alone, if it has so many characters. */
const learnedChars = 8;
/** A line of a key is looked for alone if it has so many characters. */
const keyLineChars = 40;
/** Shorter values are found only where no letter or digit stands beside them. */
const wordChars = 12;

/** Texts shorter than this are quicker looked through than kept. */
export const keptChars = 200;
/**
 * Texts, of so many characters in all, in which no format was found, which depends on nothing but the text: each step
 * of each turn sends the same instructions and history.
 */
const withoutFormats = new LRUCache<string, true>({
  maxSize: 4_000_000,
  sizeCalculation: (_, text) => text.length,
});

/** Whether a text has a placeholder in it, whole or broken. */
export function hasPlaceholder(text: string): boolean {
  return marksIn(text).size > 0;
}

/**
 * Placeholders of a new text, whole or broken, that the old one does not have as often: what would bring a
 * placeholder into a file, or a credential to a further place.
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
 * The credentials of one conversation. `hide` replaces them before a text is sent or stored; only `restore`
 * brings them back. Values are in memory alone: after a restart a credential is known again once it is read again,
 * and has the same placeholder. No placeholder stands for a line end.
 */
export class Secrets {
  readonly #key: Uint8Array;
  readonly #values = new Map<string, string>();
  /** The forms of each known value, the oldest value first. */
  readonly #known = new Map<string, readonly string[]>();
  #pattern: RegExp | null = null;
  #version = 0;

  /** @param key at least 32 random bytes, never shown: without it placeholders tell nothing */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new RangeError('The key needs 32 bytes');
    this.#key = key;
  }

  /** Grows with every value that is learnt: what was hidden before may be hidden differently now. */
  get version(): number {
    return this.#version;
  }

  /** Learns the values of a `.env` file. Those that are too common to be a credential are left alone. */
  addEnvFile(text: string): void {
    for (const { name, value, raw } of envValues(text))
      for (const one of new Set([value, raw])) this.addVariable(name, one);
  }

  /** Learns the value of a variable, unless it is too common to be a credential. */
  addVariable(name: string, value: string): void {
    if (worthHiding(name, value)) this.add(value);
  }

  /** Learns a value that is a credential whatever it looks like; of several lines, each. At least 4 characters. */
  add(value: string): void {
    if (/[\r\n]/.test(value)) {
      const lines = value.split(/[\r\n]+/).map((line) => line.trim());
      for (const line of lines) if (line.length >= learnedChars && !line.startsWith('-----')) this.add(line);
      return;
    }
    if (value.length < 4 || value.includes(placeholderMark)) return;
    this.#learn(value, formsOf);
  }

  #learn(value: string, forms: (value: string) => readonly string[]): void {
    const known = this.#known.get(value);
    if (known) {
      // Used again: others are forgotten before it.
      this.#known.delete(value);
      this.#known.set(value, known);
      return;
    }
    this.#known.set(value, forms(value));
    // A placeholder that was given before a restart can be resolved again.
    this.#placeholder(value);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= mostKnown) break;
      this.#known.delete(oldest);
    }
    this.#pattern = null;
    this.#version++;
  }

  /** The text with every credential replaced. Equal credentials have equal placeholders. */
  hide(text: string): string {
    if (text.length < 4) return text;
    const before = this.#version;
    const hidden = this.#hideFormats(this.hideKnown(text));
    // What was found by its neighbours may stand alone elsewhere in the text.
    return this.#version === before ? hidden : this.hideKnown(hidden);
  }

  /**
   * The text with its placeholders replaced by what they stand for; null where one is not known (any more).
   * @param put writes a value as the place needs it
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

  /** As `restore`, but a placeholder that is not known stays as it is. */
  restoreKnown(text: string): string {
    return text.replace(placeholders, (mark) => this.#values.get(mark) ?? mark);
  }

  /** Hides in a text that comes in pieces, and hands on what can be shown. */
  stream(out: (text: string) => void): SecretStream {
    return new SecretStream((text) => this.hide(text), out);
  }

  /** As `hide`, but only what is known by its value. */
  hideKnown(text: string): string {
    if (this.#known.size === 0) return text;
    this.#pattern ??= patternOf([...this.#known.values()].flat());
    return text.replace(this.#pattern, (found) =>
      found.startsWith(placeholderMark) ? found : this.#placeholder(found),
    );
  }

  #hideFormats(text: string): string {
    if (text.length >= keptChars && withoutFormats.get(text)) return text;
    let hidden = text;
    const lower = text.toLowerCase();
    for (const { hints, pattern, entropy = 2.5, kind, parts } of secretFormats) {
      if (!hints.some((hint) => lower.includes(hint))) continue;
      hidden = hidden.replace(pattern, (match: string, ...rest: unknown[]) => {
        if (parts) {
          return match.replace(parts, (part) => {
            if (part.length >= keyLineChars) this.#learn(part, () => [part]);
            return this.#placeholder(part);
          });
        }
        const groups = rest.at(-1);
        const named = typeof groups === 'object' && groups !== null && 'secret' in groups ? groups.secret : undefined;
        const secret = typeof named === 'string' ? named : match;
        if (secret.includes(placeholderMark) || !looksReal(secret, entropy, kind)) return match;
        if (secret.length >= learnedChars) this.add(secret);
        const at = match.lastIndexOf(secret);
        return match.slice(0, at) + this.#placeholder(secret) + match.slice(at + secret.length);
      });
    }
    if (text.length >= keptChars && hidden === text) withoutFormats.set(text, true);
    return hidden;
  }

  #placeholder(value: string): string {
    const number = createHmac('sha256', this.#key).update(value).digest('hex').slice(0, 20).toUpperCase();
    const mark = placeholderMark + number;
    this.#values.delete(mark);
    this.#values.set(mark, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= mostPlaceholders) break;
      this.#values.delete(oldest);
    }
    return mark;
  }
}

/** Finds each of the forms, the longest first; placeholders are found before them, so that none is torn apart. */
function patternOf(forms: readonly string[]): RegExp {
  const sorted = [...new Set(forms)].sort((a, b) => b.length - a.length);
  const parts = sorted.map((form) => {
    const escaped = form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
    return form.length < wordChars && /^\w+$/.test(form) ? `${wordStart}${escaped}(?!\\w)` : escaped;
  });
  return new RegExp([placeholder.source, ...parts].join('|'), 'g');
}
