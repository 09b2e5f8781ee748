/*
 * Properties, other than its format, that tell whether a text is a credential.
 */

/** Words used as passwords in documentation and default settings. Hiding them would hide ordinary words. */
const commonWord =
  /^(password|passwd|pass|pwd|secret|secrets|token|user|username|admin|root|postgres|mysql|mariadb|redis|mongo|guest|default|database|testing|test|sample)\d{0,3}$/i;

/**
 * Returns the variables of a `.env` file. `raw` is the value as written, `value` the value as common parsers read it,
 * which handle quotes, `export` and comments.
 */
export function envValues(text: string): { name: string; value: string; raw: string }[] {
  const line =
    /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|`([^`]*)`|([^\n#]*))/gm;
  return [...text.replace(/\r\n?/g, '\n').matchAll(line)].map(([, name = '', double, single, back, bare]) => {
    const raw = double ?? single ?? back ?? (bare ?? '').trim();
    return { name, raw, value: double?.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1') ?? raw };
  });
}

/** Returns whether a path names a file of environment variables: `.env`, `.env.local`, `prod.env`, `.envrc`. */
export function isEnvFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return /^\.env(rc)?(\.|$)/.test(name) || name.endsWith('.env');
}

/** Returns whether a value of a `.env` file is unlikely to occur in a text by chance. */
export function isWorthHiding(name: string, value: string): boolean {
  if (value.length < 6 || /^(\$\{?\w+\}?|<.*>|x+|\*+|change-?me|your[-_ ].*)$/i.test(value)) return false;
  if (
    /^(true|false|null|none|undefined|development|production|staging|localhost|0\.0\.0\.0|127\.0\.0\.1)$/i.test(value)
  ) {
    return false;
  }
  if (commonWord.test(value)) return false;
  // Credentials inside an address are found by their format.
  if (/^[a-z][a-z0-9+.-]*:\/\/[^\s@]*$/i.test(value)) return false;
  if (/public|publishable|key_?id$/i.test(name) || /^(~|\.{1,2})?(\/[\w.-]{1,40}){2,}$/.test(value)) return false;
  if (/(pass(word|wd|phrase)?|pwd|secret|token|credentials?|salt|dsn)(_?\d+)?$/i.test(name))
    return !/^\d{1,5}$/.test(value);
  // Map keys, providers and modes can have such names too, with ordinary words as values.
  if (/pass|pwd|secret|token|key|credential|auth|salt|private|cert|dsn|signature/i.test(name))
    return !/^\d{1,5}$/.test(value) && !/^[a-z]+([_:.-]?[a-z]+)*[_:.-]?$/i.test(value);
  return (
    value.length >= 16 && !/[\s/]/.test(value) && entropyOf(value) >= 3.5 && /\d/.test(value) && /[a-z]/i.test(value)
  );
}

/** Returns whether a match of a format is a real credential, and not an example or ordinary text. */
export function looksReal(value: string, entropy: number, kind: string): boolean {
  if (/example|placeholder|changeme|your[-_]|redacted|dummy|123456789|abcdefgh|xxxx|\*{4}|\.\.\./i.test(value))
    return false;
  if (entropyOf(value) < entropy) return false;
  if (kind === 'url' && commonWord.test(value)) return false;
  if (kind !== 'assigned') return true;
  // In code and prose, names, calls, paths and references have no digits among letters, or have a structure.
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  if (
    /^(process|os|env|import|config|self|this|options|settings|secrets|vars|params|args|request|req|ctx)\b[.[]/i.test(
      value,
    )
  ) {
    return false;
  }
  // Public identifiers and hashes: UUIDs, checksums of lock files, dates, versions, paths.
  if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value) || /^sha(1|256|384|512)[-:]/i.test(value))
    return false;
  if (/^(\.{0,2}\/|[\w-]+\/[\w./-]*$|\d{4}-\d\d-\d\d|v?\d+(\.\d+)+)/.test(value) && !/[+=]/.test(value)) return false;
  return !/^[a-z]+([A-Z][a-z]+)+\d?$|^[a-z]+([_.-][a-z]+)+\d?$|^[A-Z]+(_[A-Z]+)+\d?$|^[A-Z_]+$/.test(value);
}

/** Returns the Shannon entropy of a text, in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Minimum length for a value to be searched in other encodings, in characters. Shorter ones would match by chance. */
const minEncodedChars = 8;

/**
 * Returns a value in the encodings in which it may occur in other texts: JSON, URL encoding, hexadecimal digits, and
 * base64 at each of the three possible offsets.
 */
export function formsOf(value: string): string[] {
  const forms = new Set([value, JSON.stringify(value).slice(1, -1)]);
  if (value.length >= minEncodedChars && value.isWellFormed()) {
    const url = encodeURIComponent(value);
    forms.add(url).add(url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
    forms.add(url.replaceAll('%20', '+'));
    const bytes = Buffer.from(value);
    forms.add(bytes.toString('hex')).add(bytes.toString('hex').toUpperCase());
    for (const [offset, cut] of [0, 2, 3].entries()) {
      // The first characters share bits with preceding bytes unless the value is aligned to three bytes; likewise the
      // last.
      const whole = Buffer.concat([Buffer.alloc(offset), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      const aligned = whole.slice(cut, (offset + bytes.length) % 3 === 0 ? undefined : -1);
      if (aligned.length < minEncodedChars) continue;
      forms.add(aligned).add(aligned.replaceAll('+', '-').replaceAll('/', '_'));
    }
  }
  return [...forms];
}
