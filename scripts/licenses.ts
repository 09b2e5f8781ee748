import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Metafile } from 'esbuild';

/** Licenses that let us ship a package inside the VSIX. A copyleft one counts only beside an alternative. */
const shippable = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  // A dedication to the public domain that asks for nothing, as CC0.
  'Unlicense',
]);

/** Pictures and fonts may also be under a license that asks for the attribution which the notices give. */
const attributionOnly: Readonly<Record<string, string>> = { '@vscode/codicons': 'CC-BY-4.0' };

/** A package of which at least one byte is in a bundle. */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression as the package declares it; empty when it does not. */
  readonly license: string;
  /** Home page or repository, where the package names one. */
  readonly source: string;
  /** Its license and notices, in full. */
  readonly texts: readonly string[];
}

/** The packages that really are in the bundles, by what esbuild says it wrote. Sorted by name. */
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

/** One sentence for each package that must not be shipped. */
export function licenseProblems(packages: readonly ShippedPackage[]): string[] {
  return packages.flatMap(({ name, version, license, texts }) => {
    if (!isShippable(license) && attributionOnly[name] !== license) {
      return [
        `${name}@${version} is under "${license || 'no license'}", which is not on the list in scripts/licenses.ts.`,
      ];
    }
    return texts.length > 0 ? [] : [`${name}@${version} brings no license text to ship.`];
  });
}

/** The text of `ThirdPartyNotices.txt`. */
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
 * Whether an SPDX expression lets us ship: of `A OR B` one, of `A AND B` both.
 * `OR` binds weaker than `AND`; anything that cannot be read is refused.
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

/** The nearest folder with a package.json that has a name and a version, below `node_modules`. */
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

/** As older packages say it: a list. Several would leave open whether all of them hold. */
function onlyOne(licenses: unknown): string {
  const [first, ...more] = Array.isArray(licenses) ? licenses : [];
  return more.length === 0 && typeof first?.type === 'string' ? first.type : '';
}

/** License and notice files; else the section of the README; else the license itself, of MIT with the author's name. */
function licenseTexts(folder: string, license: string, author: string | undefined): string[] {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  const read = (file: { name: string }) => readFileSync(join(folder, file.name), 'utf8').replace(/^\uFEFF/, '');
  const texts = files.filter(({ name }) => /^(licen[cs]e|copying|notice)/i.test(name)).map(read);
  if (texts.length > 0) return texts;
  const readme = files.find(({ name }) => /^readme/i.test(name));
  const section =
    readme && /^#+\s*licen[cs]e\s*$([\s\S]*?permission[\s\S]*?)(?=^#|$(?![\s\S]))/im.exec(read(readme))?.[1];
  if (section) return [section];
  // AWS leaves it out of some of its packages. It names nobody, so that it is the same for all.
  if (license === 'Apache-2.0') return [readFileSync(join(import.meta.dirname, 'apache-2.0.txt'), 'utf8')];
  return license === 'MIT' && author ? [`Copyright (c) ${author}\n\n${mit}`] : [];
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
