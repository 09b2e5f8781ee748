/* Reads the fields of a tool's input before its JSON is complete, because the input arrives in pieces. */

/** Maximum length of an incomplete input that is parsed, in UTF-16 code units. */
const maxScannedChars = 64_000;
/** Maximum length of a string value that is kept, in UTF-16 code units. */
const maxValueChars = 4_000;

/** Values by field name. An incomplete object has the fields that have begun. */
export type Fields = ReadonlyMap<string, unknown>;

/** Returns the fields of a JSON object that may be incomplete. Invalid text has no fields. */
export function partialFields(text: string): Fields {
  return new Scanner(text.slice(0, maxScannedChars)).object();
}

/** Parses an object in one pass, up to the first part that is missing or not JSON. */
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
    return parseJson(word);
  }

  /** Reads a string, which may be incomplete. */
  #string(): { text: string; whole: boolean } | undefined {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') return undefined;
    const start = this.#at + 1;
    const end = this.#endOfString(start);
    const raw = this.#text.slice(start, Math.min(end, start + maxValueChars));
    this.#at = end + 1;
    return { text: unescaped(raw), whole: end < this.#text.length };
  }

  /** Returns the offset of the closing quote, or the length of the text if there is none. */
  #endOfString(start: number): number {
    for (let end = this.#text.indexOf('"', start); end !== -1; end = this.#text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (this.#text[end - 1 - slashes] === '\\') slashes += 1;
      if (slashes % 2 === 0) return end;
    }
    return this.#text.length;
  }

  /** Reads an object or an array if it is complete. */
  #nested(): unknown {
    const start = this.#at;
    let depth = 0;
    while (this.#at < this.#text.length) {
      const sign = this.#text[this.#at];
      if (sign === '"') this.#at = this.#endOfString(this.#at + 1);
      else if (sign === '{' || sign === '[') depth += 1;
      else if (sign === '}' || sign === ']') depth -= 1;
      this.#at += 1;
      if (depth === 0) return parseJson(this.#text.slice(start, this.#at));
    }
    return undefined;
  }
}

/** Parses JSON. Returns undefined if the text is not JSON. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Decodes the text between quotes, without an incomplete escape at its end. */
function unescaped(raw: string): string {
  const complete = raw.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-f]{0,3})?$/i, '$1');
  const value = parseJson(`"${complete.replaceAll('\n', '\\n').replaceAll('\t', '\\t')}"`);
  return typeof value === 'string' ? value : complete;
}
