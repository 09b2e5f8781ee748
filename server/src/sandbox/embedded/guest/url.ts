import { host } from './host.ts';

/* `node:url` and the globals `URL` and `URLSearchParams`. */

export class URLSearchParams {
  #pairs: [string, string][] = [];
  #changed: (() => void) | null = null;

  constructor(
    init: string | Record<string, string> | Iterable<[string, string]> = '',
    changed: (() => void) | null = null,
  ) {
    const plain = (text: string) => {
      const spaced = text.replaceAll('+', ' ');
      try {
        return decodeURIComponent(spaced);
      } catch {
        return spaced;
      }
    };
    if (typeof init === 'string') {
      for (const pair of init.replace(/^\?/, '').split('&')) {
        if (pair === '') continue;
        const at = pair.indexOf('=');
        this.#pairs.push(at < 0 ? [plain(pair), ''] : [plain(pair.slice(0, at)), plain(pair.slice(at + 1))]);
      }
    } else this.#pairs = Symbol.iterator in init ? [...(init as Iterable<[string, string]>)] : Object.entries(init);
    this.#changed = changed;
  }
  get(name: string): string | null {
    return this.#pairs.find(([key]) => key === name)?.[1] ?? null;
  }
  getAll(name: string): string[] {
    return this.#pairs.filter(([key]) => key === name).map(([, value]) => value);
  }
  has(name: string): boolean {
    return this.#pairs.some(([key]) => key === name);
  }
  append(name: string, value: string): void {
    this.#pairs.push([name, String(value)]);
    this.#changed?.();
  }
  set(name: string, value: string): void {
    const at = this.#pairs.findIndex(([key]) => key === name);
    this.#pairs = this.#pairs.filter(([key], i) => key !== name || i === at);
    if (at < 0) this.#pairs.push([name, String(value)]);
    else this.#pairs[at] = [name, String(value)];
    this.#changed?.();
  }
  delete(name: string): void {
    this.#pairs = this.#pairs.filter(([key]) => key !== name);
    this.#changed?.();
  }
  sort(): void {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed?.();
  }
  forEach(act: (value: string, name: string) => void): void {
    for (const [name, value] of this.#pairs) act(value, name);
  }
  keys(): IterableIterator<string> {
    return this.#pairs.map(([key]) => key).values();
  }
  values(): IterableIterator<string> {
    return this.#pairs.map(([, value]) => value).values();
  }
  entries(): IterableIterator<[string, string]> {
    return this.#pairs.values();
  }
  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }
  get size(): number {
    return this.#pairs.length;
  }
  toString(): string {
    const coded = (text: string) =>
      encodeURIComponent(text)
        .replaceAll('%20', '+')
        .replace(/[!'()~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
    return this.#pairs.map(([name, value]) => `${coded(name)}=${coded(value)}`).join('&');
  }
}

export class URL {
  href = '';
  protocol = '';
  username = '';
  password = '';
  host = '';
  hostname = '';
  port = '';
  pathname = '';
  search = '';
  hash = '';
  origin = '';
  readonly searchParams: URLSearchParams;

  constructor(href: string | URL, base?: string | URL) {
    try {
      Object.assign(this, JSON.parse(host.url(String(href), base === undefined ? '' : String(base))));
    } catch {
      throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(href) });
    }
    this.searchParams = new URLSearchParams(this.search, () => {
      const query = this.searchParams.toString();
      this.search = query === '' ? '' : `?${query}`;
      this.href = `${this.origin === 'null' ? `${this.protocol}//` : this.origin}${this.pathname}${this.search}${this.hash}`;
    });
    Object.defineProperty(this, 'searchParams', { enumerable: false });
  }
  static canParse(href: string, base?: string): boolean {
    try {
      return Boolean(new URL(href, base));
    } catch {
      return false;
    }
  }
  toString(): string {
    return this.href;
  }
  toJSON(): string {
    return this.href;
  }
}
export const fileURLToPath = (url: string | URL): string => decodeURIComponent(new URL(url).pathname);
export const pathToFileURL = (path: string): URL =>
  new URL(`file://${encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23')}`);
export default { URL, URLSearchParams, fileURLToPath, pathToFileURL };
