import { createHmac } from 'node:crypto';
import { secretFormats } from './secret-formats.ts';

/** Characters of text that waits for the end of its line, before it is let through in pieces. */
const heldChars = 20_000;
const mark = 'DEVLM_SECRET_';
const placeholders = /DEVLM_SECRET_[0-9A-F]{20}(?![0-9A-F])/g;
// Broken ones too: in another case, cut off, or without its number.
const anyPlaceholder = /DEVLM_?SECRET_/i;

/** Whether a text has a placeholder in it, whole or broken. Such a text must not be written to a file. */
export function hasPlaceholder(text: string): boolean {
  return anyPlaceholder.test(text.normalize('NFKC').replace(/[\u200b-\u200f\u2060\ufeff]/g, ''));
}

/**
 * The credentials of one conversation. `hide` replaces them before a text is sent or stored; only `restore`
 * brings them back. Values are in memory alone: after a restart a credential is known again once it is read again,
 * and has the same placeholder.
 */
export class Secrets {
  private readonly key: Uint8Array;
  private readonly values = new Map<string, string>();
  private readonly known = new Set<string>();
  private knownPattern: RegExp | null = null;

  /** @param key at least 32 random bytes, kept with the conversation and never shown: without it placeholders tell nothing */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new RangeError('The key needs 32 bytes');
    this.key = key;
  }

  /** Learns the values of a `.env` file. Those that are too common to be a credential are left alone. */
  addEnvFile(text: string): void {
    for (const [name, value] of envValues(text)) if (worthHiding(name, value)) this.add(value);
  }

  /** Learns a value that is a credential whatever it looks like. At least 4 characters. */
  add(value: string): void {
    if (value.length < 4 || this.known.has(value)) return;
    this.known.add(value);
    this.knownPattern = null;
  }

  /** The text with every credential replaced. Equal credentials have equal placeholders. */
  hide(text: string): string {
    let hidden = text;
    // The given values first, the longest before those that it contains.
    if (this.known.size > 0) {
      this.knownPattern ??= patternOf(this.known);
      hidden = hidden.replace(this.knownPattern, (value) => this.placeholder(value));
    }
    const lower = hidden.toLowerCase();
    for (const { hints, pattern, entropy = 2.5, kind } of secretFormats) {
      if (!hints.some((hint) => lower.includes(hint))) continue;
      hidden = hidden.replace(pattern, (match: string, ...rest: unknown[]) => {
        const groups = rest.at(-1);
        const named = typeof groups === 'object' && groups !== null && 'secret' in groups ? groups.secret : undefined;
        const secret = typeof named === 'string' ? named : match;
        if (secret.includes(mark) || !looksReal(secret, entropy, kind)) return match;
        const at = match.lastIndexOf(secret);
        return match.slice(0, at) + this.placeholder(secret) + match.slice(at + secret.length);
      });
    }
    return hidden;
  }

  /** The text with its placeholders replaced by what they stand for; null where one is not known (any more). */
  restore(text: string): string | null {
    let missing = false;
    const restored = text.replace(placeholders, (placeholder) => {
      const value = this.values.get(placeholder);
      missing ||= value === undefined;
      return value ?? placeholder;
    });
    return missing ? null : restored;
  }

  /** Hides in a text that comes in pieces. */
  stream(): SecretStream {
    return new SecretStream(this);
  }

  private placeholder(value: string): string {
    const number = createHmac('sha256', this.key).update(value).digest('hex').slice(0, 20).toUpperCase();
    const placeholder = mark + number;
    this.values.set(placeholder, value);
    return placeholder;
  }
}

/** Lets whole lines through, so that no credential is cut in two; a key block waits for its end. */
export class SecretStream {
  private readonly secrets: Secrets;
  private held = '';

  constructor(secrets: Secrets) {
    this.secrets = secrets;
  }

  /** What can be shown by now; may be empty. */
  push(piece: string): string {
    this.held += piece;
    let end = this.held.lastIndexOf('\n') + 1;
    const begin = this.held.lastIndexOf('-----BEGIN', end);
    if (begin >= 0 && !/-----END [^\n]*-----/.test(this.held.slice(begin, end))) end = begin;
    if (this.held.length - end > heldChars) {
      // A line without an end: what is complete is hidden at once, and no placeholder is cut.
      this.held = this.secrets.hide(this.held);
      end = Math.max(end, this.held.length - heldChars / 4);
      const last = this.held.lastIndexOf(mark, end);
      if (last >= 0 && last + mark.length + 20 > end) end = last;
    }
    return this.release(Math.min(end, this.held.length));
  }

  /** The rest. */
  end(): string {
    return this.release(this.held.length);
  }

  private release(end: number): string {
    const safe = this.secrets.hide(this.held.slice(0, end));
    this.held = this.held.slice(end);
    return safe;
  }
}

/** Names and values of a `.env` file: quotes, `export` and comments as the common readers have them. */
export function envValues(text: string): [string, string][] {
  const line =
    /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|`([^`]*)`|([^\n#]*))/gm;
  return [...text.replace(/\r\n?/g, '\n').matchAll(line)].map(([, name = '', double, single, back, bare]) => [
    name,
    double?.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1') ?? single ?? back ?? (bare ?? '').trim(),
  ]);
}

/** A value of a `.env` file that would not turn up in a text by chance. */
function worthHiding(name: string, value: string): boolean {
  if (value.length < 6 || /^(\$\{?\w+\}?|<.*>|x+|\*+|change-?me|your[-_ ].*)$/i.test(value)) return false;
  if (
    /^(true|false|null|none|undefined|development|production|staging|localhost|0\.0\.0\.0|127\.0\.0\.1)$/i.test(value)
  ) {
    return false;
  }
  // What an address carries of credentials is found by its format.
  if (/^[a-z][a-z0-9+.-]*:\/\/[^\s@]*$/i.test(value)) return false;
  if (/pass|pwd|secret|token|key|credential|auth|salt|private|cert|dsn|signature/i.test(name)) {
    return !/^\d{1,5}$/.test(value) && !/public|publishable|key_?id$/i.test(name);
  }
  return (
    value.length >= 16 && !/[\s/]/.test(value) && entropyOf(value) >= 3.5 && /\d/.test(value) && /[a-z]/i.test(value)
  );
}

function patternOf(values: ReadonlySet<string>): RegExp {
  const sorted = [...values].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((value) => value.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'g');
}

/** Neither an example nor something that only stands where a credential could. */
function looksReal(value: string, entropy: number, kind: string): boolean {
  if (/example|placeholder|changeme|your[-_]|redacted|dummy|123456789|abcdefgh|xxxx|\*{4}|\.\.\./i.test(value))
    return false;
  if (entropyOf(value) < entropy) return false;
  // The words that documentation puts in the place of a password.
  if (kind === 'url' && /^(password|passwd|pass|pwd|secret|token|user|username|root|postgres)$/i.test(value))
    return false;
  if (kind !== 'assigned') return true;
  // Code and prose: names, calls, paths and references have no digits among letters, or have a structure.
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  if (
    /^(process|os|env|import|config|self|this|options|settings|secrets|vars|params|args|request|req|ctx)\b[.[]/i.test(
      value,
    )
  ) {
    return false;
  }
  // Identifiers and hashes of public things: UUIDs, checksums of lock files, dates, versions, paths.
  if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value) || /^sha(1|256|384|512)[-:]/i.test(value))
    return false;
  if (/^(\.{0,2}\/|[\w-]+\/[\w./-]*$|\d{4}-\d\d-\d\d|v?\d+(\.\d+)+)/.test(value) && !/[+=]/.test(value)) return false;
  return !/^[a-z]+([A-Z][a-z]+)+\d?$|^[a-z]+([_.-][a-z]+)+\d?$|^[A-Z]+(_[A-Z]+)+\d?$|^[A-Z_]+$/.test(value);
}

/** Bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
