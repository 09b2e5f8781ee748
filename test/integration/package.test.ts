import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { build, root } from '../../scripts/build.ts';
import { packageExtension } from '../../scripts/package.ts';

const folder = await mkdtemp(join(tmpdir(), 'devlm-package-'));
afterAll(() => rm(folder, { recursive: true }));

test('the VSIX has all required files, no unexpected ones, and an acceptable size', {
  timeout: 120_000,
}, async () => {
  const { bytes } = await packageExtension(join(folder, 'devlm.vsix'));
  expect(bytes).toBeGreaterThan(1_000_000);
});

/** Sizes that every start pays for. `npm run bench -- activation` measures the times. */
describe('the code that is loaded at start', () => {
  const outdir = join(folder, 'dist');
  beforeAll(() => build({ minify: true, vsix: true, outdir }), 120_000);

  /** Returns the size of a file and of everything that it imports other than by `import()`. */
  async function bytesAtOnce(entry: string, imported: RegExp): Promise<number> {
    const seen = new Map<string, number>();
    for (const waiting = [entry]; waiting.length > 0; ) {
      const file = waiting.pop() ?? '';
      if (seen.has(file)) continue;
      const text = await readFile(join(outdir, file), 'utf8');
      seen.set(file, Buffer.byteLength(text));
      waiting.push(...[...text.matchAll(imported)].map(([, name = '']) => name));
    }
    return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  it('the extension loads at most 200 KB at activation', async () => {
    // A `require` in an arrow function is executed later.
    const bytes = await bytesAtOnce('extension.cjs', /(?<!=>\w*\(?)require\("\.\/(extension-[A-Z0-9]+\.cjs)"\)/g);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(200 * 1024);
  });

  it('packages that are loaded on demand are imported through their default export', async () => {
    const names = await readdir(join(root, 'server/src'), { recursive: true });
    const sources = names
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFile(join(root, 'server/src', name), 'utf8'));
    const later = (await Promise.all(sources)).flatMap((text) => [...text.matchAll(/^.*await import\('[^.'].*$/gm)]);
    expect(later.length).toBeGreaterThan(3);
    for (const [line] of later) expect(line).toMatch(/const \{ default: \w+ \} = await import/);
  });

  it('the server loads at most 2 MB at start', async () => {
    const bytes = await bytesAtOnce('server.mjs', /(?:from|import)"\.\/(server-[A-Z0-9]+\.mjs)"/g);
    expect(bytes).toBeGreaterThan(500_000);
    expect(bytes).toBeLessThan(2 * 1024 * 1024);
  });
});
