/*
 * The input of a tool arrives piece by piece: what a call is about is read before its JSON is whole.
 */

/** Characters of an unfinished input that are looked at. */
const scannedChars = 64_000;
/** Longest text value of an unfinished input that is kept. */
const valueChars = 4_000;

/** Values by the name of their field; of an unfinished object those that have begun. */
export type Fields = ReadonlyMap<string, unknown>;

/** The fields of a JSON object of which only the beginning may be there. Garbage has none. */
export function partialFields(text: string): Fields {
  return new Scanner(text.slice(0, scannedChars)).object();
}

/** Goes through an object once and stops at the first thing that is not there yet or not JSON. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  object(): Fields {
    const fields = new Map<string, unknown>();
    if (!this.#takes('{')) return fields;
    do {
      const key = this.#string();
      if (!key?.whole || !this.#takes(':')) break;
      const value = this.#value();
      if (value === undefined) break;
      fields.set(key.text, value);
    } while (this.#takes(','));
    return fields;
  }

  #takes(sign: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #value(): unknown {
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '"') return this.#string()?.text;
    if (first === '{' || first === '[') return this.#nested();
    const word = /^[^\s,}\]]+(?=[\s,}\]])/.exec(this.#text.slice(this.#at, this.#at + 50))?.[0];
    if (word === undefined) return undefined;
    this.#at += word.length;
    return parsed(word);
  }

  /** A text, also one that has no end yet. */
  #string(): { text: string; whole: boolean } | undefined {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') return undefined;
    const start = this.#at + 1;
    const end = this.#endOfString(start);
    const raw = this.#text.slice(start, Math.min(end, start + valueChars));
    this.#at = end + 1;
    return { text: unescaped(raw), whole: end < this.#text.length };
  }

  /** Where the closing quote is; the length of the text where there is none. */
  #endOfString(start: number): number {
    for (let end = this.#text.indexOf('"', start); end !== -1; end = this.#text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (this.#text[end - 1 - slashes] === '\\') slashes += 1;
      if (slashes % 2 === 0) return end;
    }
    return this.#text.length;
  }

  /** An object or a list that is whole. */
  #nested(): unknown {
    const start = this.#at;
    let depth = 0;
    while (this.#at < this.#text.length) {
      const sign = this.#text[this.#at];
      if (sign === '"') this.#at = this.#endOfString(this.#at + 1);
      else if (sign === '{' || sign === '[') depth += 1;
      else if (sign === '}' || sign === ']') depth -= 1;
      this.#at += 1;
      if (depth === 0) return parsed(this.#text.slice(start, this.#at));
    }
    return undefined;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** A text as it stands between quotes; an escape that was cut off at its end is left out. */
function unescaped(raw: string): string {
  const whole = raw.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-f]{0,3})?$/i, '$1');
  const value = parsed(`"${whole.replaceAll('\n', '\\n').replaceAll('\t', '\\t')}"`);
  return typeof value === 'string' ? value : whole;
}
