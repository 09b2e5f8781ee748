import { globSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import * as z from 'zod';
import { build, root } from './build.ts';
import { check } from './check.ts';
import { type NeedName, needs, provide } from './machine.ts';
import { run } from './run.ts';
import { StrayError } from './stray-errors.ts';
import { installEditor, installNode22 } from './vscode-install.ts';

/*
 * `npm test [-- PART ...]`: sets up what is missing, runs the parts, and ends with one line,
 * `N passed, N failed, N skipped`.
 */

const parts = ['check', 'unit', 'contract', 'integration', 'vscode'] as const;
type Part = (typeof parts)[number];

/** The test files that cannot run without a program that npm does not bring. */
const filesThatNeed: Record<NeedName, readonly string[]> = {
  bubblewrap: ['test/contract/sandbox-*.test.ts', 'test/integration/isolation.test.ts'],
  chromium: ['test/vscode/**/*.test.ts', 'test/unit/page-*.test.ts'],
  docker: ['test/contract/sandbox-*.test.ts', 'test/integration/sandbox-docker*.test.ts'],
  gvisor: ['test/contract/sandbox-*.test.ts'],
  // What the demo says about the sample is run.
  python: ['test/unit/claude-stand-in-demo.test.ts'],
  postgres: ['test/contract/store*.test.ts', 'test/integration/storage-*.test.ts'],
  redis: ['test/contract/{cache,rate-limiter}.test.ts', 'test/integration/redis.test.ts'],
};

/** A test of vitest, or what else can fail: a file that cannot be loaded, a check, a step. */
interface Outcome {
  readonly status: 'passed' | 'failed' | 'skipped';
  /** The file of a test, which can be run again. */
  readonly file?: string;
  readonly test: string;
  readonly message: string;
}

const total = { passed: 0, skipped: 0 };
const failures: Outcome[] = [];
/** Failed beside everything else, and passed when its file ran again alone. Counted as passed, and named. */
const unsteady: Outcome[] = [];
/** In CI this many files with failures are run once more; more than that is no accident. */
const secondTryFiles = 5;
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
  for (const { name, output } of failed) fail(`check: ${name}`, output);
}
if (projects.length > 0 && (await step('build', () => build().then(() => true)))) {
  // The server that ships, which starts in a third of the time that the sources take.
  const built = { DEVLM_BUILT: '1', DEVLM_TEST_BUNDLE: join(root, 'dist/server.mjs') };
  await vitest('tests', process.execPath, projects, built);
  const ofServer = projects.filter((part) => part === 'contract' || part === 'integration');
  if (ofServer.length > 0) {
    const node22 = await step('Node 22', () => installNode22());
    // The oldest supported editor runs the server on it.
    if (node22)
      await vitest(
        'tests on Node 22',
        node22,
        ofServer,
        // The cuts and histories of files are the same ones: fewer show whether this Node does otherwise.
        { ...built, CUTS: '40', HISTORIES: '20' },
        // What runs in there is no other than before, and the longest part of all; no team's server is an editor's.
        [
          'test/contract/sandbox-*.test.ts',
          'test/integration/{sandbox-docker*,chaos,nodes,package,platforms*,team-start}.test.ts',
        ],
      );
  }
}
show('Passed only when run again', unsteady);
show('Failed', failures);
console.log(`\n${total.passed} passed, ${failures.length} failed, ${total.skipped} skipped`);
process.exitCode = failures.length > 0 || total.passed === 0 ? 1 : 0;

/** Provides what the tests need, and answers the files that must be left out: skipped, or in CI failed. */
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
    for (const test of left) leaveOut({ status: 'skipped', test, message });
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
  const slug = name.toLowerCase().replaceAll(' ', '-');
  const pass = async (report: string, left: readonly string[], files: readonly string[]) => {
    const file = join(root, 'test-results', `${report}.json`);
    const strayFile = join(root, 'test-results', `${report}-stray-errors.json`);
    await Promise.all([file, strayFile].map((path) => rm(path, { force: true })));
    const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--passWithNoTests', ...files];
    args.push('--reporter=default', '--reporter=json', '--reporter=./scripts/stray-errors.ts');
    args.push(`--outputFile.json=${file}`, ...ofParts.map((part) => `--project=${part}`));
    args.push(...left.map((pattern) => `--exclude=${pattern}`));
    const ofRun = { ...process.env, ...env, DEVLM_STRAY_ERRORS: strayFile };
    const { code } = await run(node, args, { cwd: root, inherit: true, env: ofRun });
    return await read(name, file, strayFile, code);
  };
  let outcomes = await pass(slug, [...excluded, ...without], []);
  const failed = outcomes.filter(({ status }) => status === 'failed');
  const files = [...new Set(failed.flatMap(({ file }) => file ?? []))];
  if (isCi && files.length > 0 && files.length <= secondTryFiles) {
    heading(`${name}: once more, what failed`);
    const again = await pass(`${slug}-second`, [], files);
    outcomes = [...outcomes.filter(({ file }) => !file || !files.includes(file)), ...again];
    unsteady.push(
      ...failed.filter(
        ({ file, test }) => file && !again.some((other) => other.test === test && other.status === 'failed'),
      ),
    );
  }
  for (const outcome of outcomes) {
    if (outcome.status === 'passed') total.passed++;
    else if (outcome.status === 'failed') failures.push(outcome);
    else leaveOut(outcome);
  }
}

/** What a pass of vitest came to. */
async function read(name: string, report: string, strayFile: string, code: number): Promise<Outcome[]> {
  const Report = z.object({
    testResults: z.array(
      z.object({
        name: z.string(),
        status: z.string(),
        message: z.string().default(''),
        assertionResults: z.array(
          z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).nullish() }),
        ),
      }),
    ),
  });
  const text = await readFile(report, 'utf8').catch(() => '{"testResults":[]}');
  const outcomes: Outcome[] = [];
  for (const { name, status, message, assertionResults } of Report.parse(JSON.parse(text)).testResults) {
    const file = relative(root, name);
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed'))
      outcomes.push({ status, file, test: file, message });
    for (const { status, fullName, failureMessages } of assertionResults) {
      const known = status === 'passed' || status === 'failed' ? status : 'skipped';
      outcomes.push({ status: known, file, test: `${file} > ${fullName}`, message: failureMessages?.[0] ?? '' });
    }
  }
  const stray = z.array(StrayError).parse(JSON.parse(await readFile(strayFile, 'utf8').catch(() => '[]')));
  for (const { type, message, stack, VITEST_TEST_PATH: path, VITEST_TEST_NAME: test } of stray) {
    const where = [path && relative(root, path), test].filter(Boolean).join(' > ');
    outcomes.push({
      status: 'failed',
      test: `${name}: ${type}${where && ` in ${where}`}`,
      message: `${message}\n${stack}`,
    });
  }
  if (code !== 0 && !outcomes.some(({ status }) => status === 'failed'))
    outcomes.push({ status: 'failed', test: `${name}: vitest ended with code ${code}`, message: '' });
  return outcomes;
}

function fail(test: string, message: string): void {
  failures.push({ status: 'failed', test, message });
}

/** Counts what was not run: skipped, or in CI failed. */
function leaveOut(outcome: Outcome): void {
  if (isCi) failures.push({ ...outcome, message: outcome.message || 'It was skipped.' });
  else total.skipped++;
}

/** A failure again where the log ends, in a few lines. */
function show(title: string, list: readonly Outcome[]): void {
  if (list.length === 0) return;
  heading(title);
  for (const { test, message } of list) {
    const lines = stripVTControlCharacters(message)
      .split('\n')
      .filter((line) => !line.includes('node_modules'))
      .slice(0, 12);
    console.log(`${test}\n${lines.map((line) => `    ${line.slice(0, 300)}`).join('\n')}`);
  }
}

/** Does a step of the set-up. One that fails is shown and counted, and answers undefined. */
async function step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`✗ ${name}: ${message}`);
    fail(name, message);
    return undefined;
  }
}

function heading(text: string): void {
  console.log(`\n== ${text}`);
}
