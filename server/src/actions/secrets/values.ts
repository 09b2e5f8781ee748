/*
 * What makes a text a credential beside the format that it is found by.
 */

/** What documentation and default settings put in the place of a password: hiding it would hide ordinary words. */
const commonWord =
  /^(password|passwd|pass|pwd|secret|secrets|token|user|username|admin|root|postgres|mysql|mariadb|redis|mongo|guest|default|database|testing|test|sample)\d{0,3}$/i;

/** Names and values of a `.env` file, as written and as read: quotes, `export` and comments as the common readers have them. */
export function envValues(text: string): { name: string; value: string; raw: string }[] {
  const line =
    /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|`([^`]*)`|([^\n#]*))/gm;
  return [...text.replace(/\r\n?/g, '\n').matchAll(line)].map(([, name = '', double, single, back, bare]) => {
    const raw = double ?? single ?? back ?? (bare ?? '').trim();
    return { name, raw, value: double?.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1') ?? raw };
  });
}

/** Whether a file is one of variables: `.env`, `.env.local`, `prod.env`, `.envrc`. */
export function isEnvFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return /^\.env(rc)?(\.|$)/.test(name) || name.endsWith('.env');
}

/** A value of a `.env` file that would not turn up in a text by chance. */
export function worthHiding(name: string, value: string): boolean {
  if (value.length < 6 || /^(\$\{?\w+\}?|<.*>|x+|\*+|change-?me|your[-_ ].*)$/i.test(value)) return false;
  if (
    /^(true|false|null|none|undefined|development|production|staging|localhost|0\.0\.0\.0|127\.0\.0\.1)$/i.test(value)
  ) {
    return false;
  }
  if (commonWord.test(value)) return false;
  // What an address carries of credentials is found by its format.
  if (/^[a-z][a-z0-9+.-]*:\/\/[^\s@]*$/i.test(value)) return false;
  if (/public|publishable|key_?id$/i.test(name) || /^(~|\.{1,2})?(\/[\w.-]{1,40}){2,}$/.test(value)) return false;
  if (/(pass(word|wd|phrase)?|pwd|secret|token|credentials?|salt|dsn)(_?\d+)?$/i.test(name))
    return !/^\d{1,5}$/.test(value);
  // Keys of a map, providers and modes have such names too, and words for values.
  if (/pass|pwd|secret|token|key|credential|auth|salt|private|cert|dsn|signature/i.test(name))
    return !/^\d{1,5}$/.test(value) && !/^[a-z]+([_:.-]?[a-z]+)*[_:.-]?$/i.test(value);
  return (
    value.length >= 16 && !/[\s/]/.test(value) && entropyOf(value) >= 3.5 && /\d/.test(value) && /[a-z]/i.test(value)
  );
}

/** Neither an example nor something that only stands where a credential could. */
export function looksReal(value: string, entropy: number, kind: string): boolean {
  if (/example|placeholder|changeme|your[-_]|redacted|dummy|123456789|abcdefgh|xxxx|\*{4}|\.\.\./i.test(value))
    return false;
  if (entropyOf(value) < entropy) return false;
  if (kind === 'url' && commonWord.test(value)) return false;
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

/** Values shorter than this are looked for as they are, and not in other encodings: these would be found by chance. */
const encodedChars = 8;

/** A value as it stands in other texts: in JSON, in an address, in hexadecimal digits, in base64 wherever it begins there. */
export function formsOf(value: string): string[] {
  const forms = new Set([value, JSON.stringify(value).slice(1, -1)]);
  if (value.length >= encodedChars && value.isWellFormed()) {
    const url = encodeURIComponent(value);
    forms.add(url).add(url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
    forms.add(url.replaceAll('%20', '+'));
    const bytes = Buffer.from(value);
    forms.add(bytes.toString('hex')).add(bytes.toString('hex').toUpperCase());
    for (const [before, cut] of [0, 2, 3].entries()) {
      // A neighbour's bits are in the first characters where it does not begin a group of three bytes, and in the last.
      const whole = Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      const own = whole.slice(cut, (before + bytes.length) % 3 === 0 ? undefined : -1);
      if (own.length < encodedChars) continue;
      forms.add(own).add(own.replaceAll('+', '-').replaceAll('/', '_'));
    }
  }
  return [...forms];
}
