import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isShippable, licenseProblems, notices, type ShippedPackage, shippedPackages } from '../../scripts/licenses.ts';

const root = resolve(import.meta.dirname, '../..');

describe('licenses', () => {
  test.each(['MIT', 'ISC', '(MIT OR CC0-1.0)', '(MPL-2.0 OR Apache-2.0)', 'MIT AND BSD-3-Clause', '0BSD'])(
    'the license %s may be shipped',
    (expression) => {
      expect(isShippable(expression)).toBe(true);
    },
  );

  test.each([
    '',
    'MPL-2.0',
    'GPL-3.0-only',
    'MIT AND GPL-3.0-only',
    'SEE LICENSE IN EULA',
    '(MIT',
    'MIT OR',
    'CC-BY-4.0',
    'MIT)',
  ])('the license "%s" may not be shipped', (expression) => {
    expect(isShippable(expression)).toBe(false);
  });

  const pack = (name: string, license: string, texts = ['the text']): ShippedPackage => ({
    name,
    version: '1.0.0',
    license,
    source: '',
    texts,
  });

  test('a package is refused for its license or a missing license text, and only icons may require attribution', () => {
    expect(licenseProblems([pack('a', 'MIT'), pack('@vscode/codicons', 'CC-BY-4.0')])).toEqual([]);
    expect(licenseProblems([pack('a', 'CC-BY-4.0'), pack('b', 'GPL-3.0-only'), pack('c', 'MIT', [])])).toEqual([
      expect.stringContaining('a@1.0.0'),
      expect.stringContaining('b@1.0.0'),
      expect.stringContaining('c@1.0.0 contains no license text'),
    ]);
  });

  test('bundled packages are found by their bytes, and the notices contain their complete licenses', () => {
    const output = (inputs: Record<string, number>) => ({
      bytes: 1,
      imports: [],
      exports: [],
      inputs: Object.fromEntries(Object.entries(inputs).map(([path, bytesInOutput]) => [path, { bytesInOutput }])),
    });
    const outputs = {
      'dist/x.js': output({
        'node_modules/zod/v4/index.js': 10,
        'node_modules/marked/lib/marked.esm.js': 0,
        'node_modules/pgpass/lib/index.js': 5,
        'server/src/main.ts': 20,
      }),
    };
    const packages = shippedPackages(root, [{ inputs: {}, outputs }]);
    expect(packages.map(({ name }) => name)).toEqual(['pgpass', 'zod']);
    expect(licenseProblems(packages)).toEqual([]);
    const text = notices(packages);
    expect(text).toMatch(/zod 4[\s\S]*Permission is hereby granted/);
    // Its license is only in the README.
    expect(text).toMatch(/pgpass[\s\S]*Copyright \(c\) 2013-2016 Hannes/);
  });
});
