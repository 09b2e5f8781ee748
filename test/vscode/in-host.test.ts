import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildInHost, root } from '../../scripts/build.ts';
import type { EditorAge } from '../../scripts/vscode-install.ts';
import { neighbour, runInHost } from '../support/vscode/browser.ts';

/*
 * The suite of in-host/ runs once in each editor, inside its extension host; each of its tests
 * becomes one test here. `npm run test:desktop` runs the same bundle in a desktop VS Code.
 */

const bundle = await buildInHost();
for (const age of ['current', 'oldest'] satisfies EditorAge[]) {
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
