import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packageExtension } from '../../scripts/package.ts';

const folder = await mkdtemp(join(tmpdir(), 'devlm-package-'));
afterAll(() => rm(folder, { recursive: true }));

test('the VSIX can be made: all it needs is in it, nothing strange, and it is not too large', {
  timeout: 120_000,
}, async () => {
  const { bytes } = await packageExtension(join(folder, 'devlm.vsix'));
  expect(bytes).toBeGreaterThan(1_000_000);
});
