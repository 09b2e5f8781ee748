import { globSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { build, root } from './build.ts';
import { check } from './check.ts';
import { type NeedName, needs, provide } from './machine.ts';
import { run } from './run.ts';
import { installEditor, installNode22 } from './vscode-install.ts';

/*
 * `npm test [-- PART ...]`: sets up what is missing, runs the parts, and ends with one line,
 * `N passed, N failed, N skipped`.
 */

const parts = ['check', 'unit', 'contract', 'integration', 'vscode'] as const;
type Part = (typeof parts)[number];

/** The test files that cannot run without a program that npm does not bring. */
const filesThatNeed: Record<NeedName, readonly string[]> = {
  bubblewrap: ['test/contract/sandbox-*.test.ts'],
  chromium: ['test/vscode/**/*.test.ts', 'test/unit/page-*.test.ts'],
  docker: ['test/contract/sandbox-*.test.ts', 'test/integration/sandbox-docker*.test.ts'],
  gvisor: ['test/contract/sandbox-*.test.ts'],
  // What the demo says about the sample is run.
  python: ['test/unit/claude-stand-in-demo.test.ts'],
  postgres: ['test/contract/store*.test.ts', 'test/integration/storage-*.test.ts'],
};

const total = { passed: 0, failed: 0, skipped: 0 };
/** In CI what is left out counts as failed. */
const isCi = Boolean(process.env['CI'] && process.env['CI'] !== 'false');

const { positionals } = parseArgs({ allowPositionals: true });
const unknown = positionals.filter((name) => !parts.some((part) => part === name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are: ${parts.join(', ')}.`);
  process.exit(2);
}
const wanted = parts.filter((part) => positionals.length === 0 || positionals.includes(part));
const projects = wanted.filter((part) => part !== 'check');

const excluded = await setUp();
if (wanted.includes('check')) {
  heading('check');
  const { passed, failed } = await check();
  total.passed += passed;
  total.failed += failed;
}
if (projects.length > 0 && (await step('build', () => build().then(() => true)))) {
  await vitest('tests', process.execPath, projects, { DEVLM_BUILT: '1' });
  const ofServer = projects.filter((part) => part === 'contract' || part === 'integration');
  if (ofServer.length > 0) {
    const node22 = await step('Node 22', () => installNode22());
    // The oldest supported editor runs the server on it.
    if (node22)
      await vitest(
        'tests on Node 22',
        node22,
        ofServer,
        { DEVLM_TEST_BUNDLE: join(root, 'dist/server.mjs') },
        // What runs in there is no other than before, and the longest part of all.
        ['test/contract/sandbox-*.test.ts', 'test/integration/sandbox-docker*.test.ts'],
      );
  }
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** Provides what the tests need, and answers the files that must be left out: skipped, or in CI failed. */
async function setUp(): Promise<string[]> {
  const files = (need: NeedName) =>
    globSync([...filesThatNeed[need]], { cwd: root }).filter((file) =>
      projects.some((part) => file.startsWith(`test/${part}/`)),
    );
  const missing = await provide((Object.keys(filesThatNeed) as NeedName[]).filter((need) => files(need).length > 0));
  for (const { name, command } of missing) {
    const left = files(name);
    console.log(`${needs[name].name} is missing, ${left.length} test files are left out. To get it: ${command}`);
    if (isCi) total.failed += left.length;
    else total.skipped += left.length;
  }
  if (projects.includes('vscode') && !missing.some(({ name }) => name === 'chromium')) {
    await step('VS Code', () => installEditor());
    await step('the oldest supported VS Code', () => installEditor('oldest'));
  }
  return missing.flatMap(({ name }) => files(name));
}

/** Runs the parts as vitest projects and counts; a file that could not even be loaded is a failure. */
async function vitest(
  name: string,
  node: string,
  ofParts: readonly Part[],
  env: NodeJS.ProcessEnv = {},
  without: readonly string[] = [],
): Promise<void> {
  heading(`${name}: ${ofParts.join(', ')}`);
  const report = join(root, 'test-results', `${name.toLowerCase().replaceAll(' ', '-')}.json`);
  await rm(report, { force: true });
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--passWithNoTests'];
  args.push('--reporter=default', '--reporter=json');
  args.push(`--outputFile.json=${report}`, ...ofParts.map((part) => `--project=${part}`));
  args.push(...[...excluded, ...without].map((file) => `--exclude=${file}`));
  const { code } = await run(node, args, { cwd: root, inherit: true, env: { ...process.env, ...env } });
  const counts = await count(report);
  total.passed += counts.passed;
  total.skipped += isCi ? 0 : counts.skipped;
  total.failed += isCi ? counts.skipped : 0;
  // An error outside of any test fails the run without failing a test.
  total.failed += code !== 0 ? Math.max(1, counts.failed) : counts.failed;
}

async function count(report: string): Promise<{ passed: number; failed: number; skipped: number }> {
  const Report = z.object({
    testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
  });
  const text = await readFile(report, 'utf8').catch(() => '{"testResults":[]}');
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of Report.parse(JSON.parse(text)).testResults) {
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) counts.failed++;
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed++;
      else if (test.status === 'failed') counts.failed++;
      else counts.skipped++;
    }
  }
  return counts;
}

/** Does a step of the set-up. One that fails is shown and counted, and answers undefined. */
async function step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    console.error(`✗ ${name}: ${error instanceof Error ? error.message : error}`);
    total.failed++;
    return undefined;
  }
}

function heading(text: string): void {
  console.log(`\n== ${text}`);
}
