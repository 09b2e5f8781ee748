import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Metafile } from 'esbuild';

/** Licenses that permit shipping a package in the VSIX. A copyleft license is accepted only next to an alternative. */
const shippable = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  // A public-domain dedication without conditions, like CC0.
  'Unlicense',
]);

/** Packages of images and fonts whose license requires only attribution, which the notices give. */
const attributionOnly: Readonly<Record<string, string>> = { '@vscode/codicons': 'CC-BY-4.0' };

/** A package with at least one byte in a bundle. */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression that the package declares; empty if it declares none. */
  readonly license: string;
  /** Home page or repository, if the package names one. */
  readonly source: string;
  /** Full texts of its license and notices. */
  readonly texts: readonly string[];
}

/** Returns the packages that are in the bundles according to esbuild's metafiles, sorted by name. */
export function shippedPackages(root: string, metafiles: readonly Metafile[]): ShippedPackage[] {
  const folders = new Set<string>();
  for (const { outputs } of metafiles) {
    for (const { inputs } of Object.values(outputs)) {
      for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
        const folder = bytesInOutput > 0 ? packageFolder(root, path.replace(/^.*?:/, '').replace(/\?.*$/, '')) : null;
        if (folder) folders.add(folder);
      }
    }
  }
  return [...folders].map(readPackage).sort((a, b) => `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`));
}

/** Returns one sentence for each package that must not be shipped. */
export function licenseProblems(packages: readonly ShippedPackage[]): string[] {
  return packages.flatMap(({ name, version, license, texts }) => {
    if (!isShippable(license) && attributionOnly[name] !== license) {
      return [
        `${name}@${version} is under "${license || 'no license'}", which is not on the list in scripts/licenses.ts.`,
      ];
    }
    return texts.length > 0 ? [] : [`${name}@${version} contains no license text.`];
  });
}

/** Returns the text of `ThirdPartyNotices.txt`. */
export function notices(packages: readonly ShippedPackage[]): string {
  const line = '-'.repeat(78);
  const head = 'DevLM contains the packages below, each under its own license.\n';
  const entries = packages.map(({ name, version, license, source, texts }) => {
    const title = [`${name} ${version}`, `License: ${license}`, source].filter(Boolean).join('\n');
    return [line, title, ...texts.map((text) => text.trim())].join('\n\n');
  });
  return `${[head, ...entries].join('\n')}\n`;
}

/**
 * Returns whether an SPDX expression permits shipping: one license of `A OR B`, or both of `A AND B`.
 * `OR` has lower precedence than `AND`. An expression that cannot be parsed is refused.
 */
export function isShippable(expression: string): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const one = (): boolean => {
    const token = tokens[at++];
    if (token !== '(') return token !== undefined && shippable.has(token);
    const inner = either();
    return tokens[at++] === ')' && inner;
  };
  const both = (): boolean => {
    let result = one();
    while (tokens[at] === 'AND') {
      at++;
      result = one() && result;
    }
    return result;
  };
  function either(): boolean {
    let result = both();
    while (tokens[at] === 'OR') {
      at++;
      result = both() || result;
    }
    return result;
  }
  const result = either();
  return result && at === tokens.length;
}

/** Returns the nearest folder below `node_modules` with a package.json that has a name and a version. */
function packageFolder(root: string, path: string): string | null {
  const file = resolve(root, path);
  if (!relative(root, file).split(/[\\/]/).includes('node_modules')) return null;
  for (let folder = dirname(file); folder.includes('node_modules'); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
    if (name && version) return folder;
  }
  return null;
}

function readPackage(folder: string): ShippedPackage {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const license =
    typeof manifest.license === 'string' ? manifest.license : (manifest.license?.type ?? onlyOne(manifest.licenses));
  const author = typeof manifest.author === 'string' ? manifest.author : manifest.author?.name;
  const repository = typeof manifest.repository === 'string' ? manifest.repository : manifest.repository?.url;
  const { name, version } = manifest;
  return {
    name,
    version,
    license,
    source: manifest.homepage ?? repository ?? '',
    texts: licenseTexts(folder, license, author),
  };
}

/**
 * Returns the license in a list, the form that older packages use. Returns an empty string if there are several,
 * because it is unclear whether all of them apply.
 */
function onlyOne(licenses: unknown): string {
  const [first, ...more] = Array.isArray(licenses) ? licenses : [];
  return more.length === 0 && typeof first?.type === 'string' ? first.type : '';
}

/** Returns the license and notice files; else the section of the README; else the standard text, for MIT with the author's name. */
function licenseTexts(folder: string, license: string, author: string | undefined): string[] {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  const read = (file: { name: string }) => readFileSync(join(folder, file.name), 'utf8').replace(/^\uFEFF/, '');
  const texts = files.filter(({ name }) => /^(licen[cs]e|copying|notice)/i.test(name)).map(read);
  if (texts.length > 0) return texts;
  const readme = files.find(({ name }) => /^readme/i.test(name));
  const section =
    readme && /^#+\s*licen[cs]e\s*$([\s\S]*?permission[\s\S]*?)(?=^#|$(?![\s\S]))/im.exec(read(readme))?.[1];
  if (section) return [section];
  // AWS omits the license text from some packages. The text names no author, so it is the same for all.
  if (license === 'Apache-2.0') return [readFileSync(join(import.meta.dirname, 'apache-2.0.txt'), 'utf8')];
  return license === 'MIT' && author ? [`Copyright (c) ${author}\n\n${mit}`] : [];
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
