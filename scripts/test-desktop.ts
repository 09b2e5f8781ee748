import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTests } from '@vscode/test-electron';
import { HostResults } from '../test/support/vscode/harness.ts';
import { build, buildInHost, root } from './build.ts';

/*
 * `npm run test:desktop`: the suite of test/vscode/in-host inside a desktop VS Code, which
 * @vscode/test-electron downloads. The browser runner runs the same bundle.
 */

await build();
const bundle = await buildInHost();
const folder = await mkdtemp(join(tmpdir(), 'devlm-desktop-'));
const results = join(folder, 'results.json');
try {
  await runTests({
    version: process.argv[2] ?? 'stable',
    extensionDevelopmentPath: [root, join(root, 'test/support/vscode/neighbour')],
    extensionTestsPath: bundle,
    launchArgs: [
      join(root, 'samples/todo'),
      '--disable-extensions',
      '--disable-workspace-trust',
      '--user-data-dir',
      join(folder, 'user'),
    ],
    extensionTestsEnv: {
      DEVLM_DATA_DIR: join(folder, 'data'),
      DEVLM_TEST_RESULTS: results,
      ANTHROPIC_API_KEY: undefined,
    },
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
const tests = HostResults.parse(JSON.parse(await readFile(results, 'utf8').catch(() => '[]')));
const failed = tests.filter(({ error }) => error !== undefined);
for (const { name, error } of failed) console.error(`✗ ${name}\n${error}`);
console.log(`${tests.length - failed.length} passed, ${failed.length} failed, 0 skipped`);
if (tests.length === 0) process.exitCode = 1;
await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
