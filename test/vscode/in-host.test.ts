import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildInHost, root } from '../../scripts/build.ts';
import type { EditorAge } from '../../scripts/vscode-install.ts';
import { isDeep } from '../support/deep.ts';
import { neighbour, runInHost } from '../support/vscode/browser.ts';

/*
 * The suite of in-host/ runs inside the extension host of the current editor, and in a deep run also of the oldest one.
 * Each of its tests becomes one test here. `npm run test:desktop` runs the same bundle in a desktop VS Code.
 */

const bundle = await buildInHost();
const ages: EditorAge[] = isDeep ? ['current', 'oldest'] : ['current'];
for (const age of ages) {
  const results = await runInHost(bundle, { workspace: join(root, 'samples/todo'), extensions: [neighbour], age });
  describe(`inside the extension host of the ${age} VS Code`, () => {
    test('at least one test ran in the extension host', () => {
      expect(results.length).toBeGreaterThan(0);
    });
    for (const { name, error } of results) {
      test(name, () => {
        expect(error).toBeUndefined();
      });
    }
  });
}
