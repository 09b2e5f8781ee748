import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { downloadAndUnzipVSCode, runTests } from '@vscode/test-electron';
import { HostResults } from '../test/support/vscode/harness.ts';
import { build, buildInHost, root } from './build.ts';
import { endCompanion, personalVariables } from './vscode-server.ts';

/*
 * `npm run test:desktop`: the suite of test/vscode/in-host inside a desktop VS Code, which @vscode/test-electron downloads.
 * The browser runner runs the same bundle. Linux needs a display (`xvfb-run -a npm run test:desktop`).
 */

const usage = `Usage: npm run test:desktop [-- VERSION | --executable FILE]
  VERSION            of the VS Code to download: "stable" (default), "insiders", or a number such as 1.106.0
  --executable FILE  an installed desktop VS Code: the program itself, not the "code" script`;

/** Maximum time from the start of the editor to the end of its tests, without the download, in milliseconds. */
const editorMs = 300_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { executable: { type: 'string' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { executable } = values;
  if (positionals.length > 1 || (executable !== undefined && positionals.length > 0)) throw new Error(usage);
  if (executable !== undefined)
    await access(executable, constants.X_OK).catch(() => {
      throw new Error(`${executable} is no program that can be run.`);
    });
  // `npm test` has already built, and other tests may be reading the bundles.
  if (!process.env['DEVLM_BUILT']) await build();
  const bundle = await buildInHost();
  const folder = await mkdtemp(join(tmpdir(), 'devlm-desktop-'));
  const dataDir = join(folder, 'data');
  try {
    const tests = await runIn(executable, positionals[0] ?? 'stable', { bundle, folder, dataDir });
    const failed = tests.filter(({ error }) => error !== undefined);
    for (const { name, error } of failed) console.error(`✗ ${name}\n${error}`);
    console.log(`${tests.length - failed.length} passed, ${failed.length} failed, 0 skipped`);
    return failed.length === 0 ? 0 : 1;
  } finally {
    await endCompanion(dataDir);
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Runs the tests in an editor. @throws if the editor does not start, fails without a failed test, or reports no tests */
async function runIn(
  executable: string | undefined,
  version: string,
  { bundle, folder, dataDir }: { bundle: string; folder: string; dataDir: string },
): Promise<HostResults> {
  const results = join(folder, 'results.json');
  const vscodeExecutablePath = executable ?? (await downloaded(version));
  // At the first Ctrl-C `runTests` ends the editor, and also this process if nothing else listens for the signal, which
  // would leave the folder behind. At the second Ctrl-C it kills the editor.
  const interrupted = () => console.error('The editor is being ended.');
  process.on('SIGINT', interrupted);
  const late = [editorMs, editorMs + 10_000].map((ms) => setTimeout(() => process.kill(process.pid, 'SIGINT'), ms));
  const withoutPersonal = Object.fromEntries(personalVariables().map((name) => [name, undefined]));
  const ended = await runTests({
    vscodeExecutablePath,
    extensionDevelopmentPath: [root, join(root, 'test/support/vscode/neighbour')],
    extensionTestsPath: bundle,
    launchArgs: [
      join(root, 'samples/todo'),
      '--disable-extensions',
      '--disable-workspace-trust',
      '--user-data-dir',
      join(folder, 'user'),
    ],
    extensionTestsEnv: { ...withoutPersonal, DEVLM_DATA_DIR: dataDir, DEVLM_TEST_RESULTS: results },
  }).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  late.forEach(clearTimeout);
  process.off('SIGINT', interrupted);
  const told = await readFile(results, 'utf8').catch(() => undefined);
  if (told === undefined) throw new Error(`The editor told of no tests (${ended === 0 ? 'it ended well' : ended}).`);
  const tests = HostResults.parse(JSON.parse(told));
  if (tests.length === 0) throw new Error('The suite has no tests.');
  if (ended !== 0 && tests.every(({ error }) => error === undefined)) throw new Error(String(ended));
  return tests;
}

async function downloaded(version: string): Promise<string> {
  try {
    return await downloadAndUnzipVSCode({ version });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `VS Code could not be downloaded (${why}). To use an installed one: npm run test:desktop -- --executable FILE`,
    );
  }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
