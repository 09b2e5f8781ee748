import { globSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, root } from './build.ts';
import { check } from './check.ts';
import { type NeedName, needs, provide } from './machine.ts';
import { run } from './run.ts';
import { heading, type Outcome, type Report, readReport, Summary } from './test-outcomes.ts';
import { installEditor, installNode22 } from './vscode-install.ts';

/*
 * `npm test [-- PART ...]`: installs what is missing, runs the parts, and prints a last line
 * `N passed, N failed, N skipped`. `npm run test:deep` (`--deep`) runs the long lists in full.
 */

const parts = ['check', 'unit', 'contract', 'integration', 'vscode'] as const;
type Part = (typeof parts)[number];

const { positionals, values } = parseArgs({ allowPositionals: true, options: { deep: { type: 'boolean' } } });
/** Whether the long lists run in full. */
const deep = values.deep ?? false;

/** Test files that need a program that npm does not install. */
const filesThatNeed: Record<NeedName, readonly string[]> = {
  bubblewrap: ['test/contract/sandbox-*.test.ts', 'test/integration/isolation.test.ts'],
  chromium: ['test/vscode/**/*.test.ts', 'test/unit/page-*.test.ts'],
  docker: ['test/contract/sandbox-*.test.ts', 'test/integration/sandbox-docker*.test.ts'],
  gvisor: deep ? ['test/contract/sandbox-*.test.ts'] : [],
  // The test runs the programs in the demo's answers about the sample.
  python: ['test/unit/claude-stand-in-demo.test.ts'],
  postgres: ['test/contract/store*.test.ts', 'test/integration/storage-*.test.ts'],
  redis: ['test/contract/{cache,rate-limiter}.test.ts', 'test/integration/redis.test.ts'],
};

/**
 * Tests that `npm test` repeats on the oldest Node that the server supports: those that depend on Node's SQLite, file
 * system, processes and streams. A deep run repeats all contract and integration tests.
 */
const onOldestNode = [
  'test/contract/{store,store-event-log,store-leases,workspace}.test.ts',
  'test/integration/{embedded-server,extension-launcher,storage-disk,storage-fixtures,storage-sqlite}.test.ts',
];
/** Tests that are never repeated on the oldest Node: sandboxes in other processes, and features of team servers only. */
const notOnOldestNode = [
  'test/contract/sandbox-*.test.ts',
  'test/integration/{sandbox-docker*,chaos,nodes,package,platforms*,team-start}.test.ts',
];

/** Maximum number of failed files that are rerun in CI. More failures than that are not flaky tests. */
const secondTryFiles = 5;
/** Whether this is a CI run, in which skipped tests count as failed. */
const isCi = Boolean(process.env['CI'] && process.env['CI'] !== 'false');

const unknown = positionals.filter((name) => !parts.some((part) => part === name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are: ${parts.join(', ')}.`);
  process.exit(2);
}
const wanted = parts.filter((part) => positionals.length === 0 || positionals.includes(part));
const projects = wanted.filter((part) => part !== 'check');
const summary = new Summary(isCi);

const missingFiles = await setUp();
if (wanted.includes('check')) await runChecks();
if (projects.length > 0 && (await step('build', () => build().then(() => true)))) await runTests();
process.exitCode = summary.print();

/** Installs what the tests need. Returns the files that must be left out, which count as skipped, or in CI as failed. */
async function setUp(): Promise<string[]> {
  const files = (need: NeedName) =>
    globSync([...filesThatNeed[need]], { cwd: root }).filter((file) =>
      projects.some((part) => file.startsWith(`test/${part}/`)),
    );
  const missing = await provide((Object.keys(filesThatNeed) as NeedName[]).filter((need) => files(need).length > 0));
  for (const { name, command } of missing) {
    const left = files(name);
    const message = `${needs[name].name} is missing, ${left.length} test files are left out. To get it: ${command}`;
    console.log(message);
    for (const test of left) summary.addOutcome({ status: 'skipped', test, message });
  }
  if (projects.includes('vscode') && !missing.some(({ name }) => name === 'chromium')) {
    await step('VS Code', () => installEditor());
    if (deep) await step('the oldest supported VS Code', () => installEditor('oldest'));
  }
  return missing.flatMap(({ name }) => files(name));
}

async function runChecks(): Promise<void> {
  heading('check');
  const { passed, failed } = await check();
  for (const name of passed) summary.addOutcome({ status: 'passed', test: `check: ${name}`, message: '' });
  for (const { name, output } of failed) summary.fail(`check: ${name}`, output);
}

/** Runs the parts: the tests of the server, those that are repeated on the oldest Node, and the editor tests. */
async function runTests(): Promise<void> {
  const current = { node: process.execPath, without: missingFiles };
  const plain = projects.filter((part) => part !== 'vscode');
  if (plain.length > 0) await runPass({ ...current, name: 'tests', parts: plain });
  const ofServer = projects.filter((part) => part === 'contract' || part === 'integration');
  const node22 = ofServer.length > 0 ? await step('Node 22', () => installNode22()) : undefined;
  if (node22 !== undefined)
    await runPass({
      name: 'tests on Node 22',
      node: node22,
      parts: ofServer,
      files: deep ? [] : onOldestNode.flatMap((glob) => globSync(glob, { cwd: root })),
      without: [...missingFiles, ...notOnOldestNode],
    });
  if (projects.includes('vscode')) await runPass({ ...current, name: 'editor tests', parts: ['vscode'] });
}

/** Settings of one vitest run. */
interface Pass {
  readonly name: string;
  /** Path of the Node executable. */
  readonly node: string;
  readonly parts: readonly Part[];
  /** Files to run. Default: all files of the parts. */
  readonly files?: readonly string[];
  /** Globs of files that are left out. */
  readonly without: readonly string[];
  /** Number of files that run at once. Default: that of `vitest.config.ts`. */
  readonly workers?: number;
}

/** Runs a pass and counts its outcomes. In CI a few failed files are rerun alone. */
async function runPass(pass: Pass): Promise<void> {
  const { name, without } = pass;
  heading(`${name}: ${pass.parts.join(', ')}`);
  const slug = name.toLowerCase().replaceAll(' ', '-');
  const first = await vitest(pass, slug, pass.files ?? [], without);
  const failed = first.outcomes.filter(({ status }) => status === 'failed');
  const files = [...new Set(failed.flatMap(({ file }) => file ?? []))];
  if (!isCi || files.length === 0 || files.length > secondTryFiles) {
    summary.add(first);
    return;
  }
  heading(`${name}: once more, what failed`);
  const second = await vitest({ ...pass, workers: 1 }, `${slug}-second`, files, []);
  const isRepeated = ({ file }: Outcome) => file !== undefined && files.includes(file);
  const stillFails = new Set(second.outcomes.filter(({ status }) => status === 'failed').map(({ test }) => test));
  summary.add({
    outcomes: [...first.outcomes.filter((outcome) => !isRepeated(outcome)), ...second.outcomes],
    times: first.times,
  });
  summary.addUnsteady(failed.filter((outcome) => isRepeated(outcome) && !stillFails.has(outcome.test)));
}

async function vitest(
  { name, node, parts: ofParts, workers }: Pass,
  slug: string,
  files: readonly string[],
  without: readonly string[],
): Promise<Report> {
  const reportFile = join(root, 'test-results', `${slug}.json`);
  const strayFile = join(root, 'test-results', `${slug}-stray-errors.json`);
  await mkdir(join(root, 'test-results'), { recursive: true });
  await Promise.all([reportFile, strayFile].map((path) => rm(path, { force: true })));
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--passWithNoTests', ...files];
  args.push('--reporter=default', '--reporter=json', '--reporter=./scripts/stray-errors.ts');
  args.push(`--outputFile.json=${reportFile}`, ...ofParts.map((part) => `--project=${part}`));
  args.push(...without.map((pattern) => `--exclude=${pattern}`));
  if (workers !== undefined) args.push(`--maxWorkers=${workers}`);
  const env = {
    ...process.env,
    DEVLM_STRAY_ERRORS: strayFile,
    // Use the bundled server, which starts in a third of the time of the sources.
    DEVLM_BUILT: '1',
    DEVLM_TEST_BUNDLE: join(root, 'dist/server.mjs'),
    DEVLM_TEST_DEEP: deep ? '1' : '0',
  };
  const { code } = await run(node, args, { cwd: root, inherit: true, env });
  return await readReport(name, reportFile, strayFile, code);
}

/** Runs a step of the set-up. Prints and counts a failure, and then returns undefined. */
async function step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`✗ ${name}: ${message}`);
    summary.fail(name, message);
    return undefined;
  }
}
