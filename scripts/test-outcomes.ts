import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import * as z from 'zod';
import { root } from './build.ts';
import { StrayError } from './stray-errors.ts';

/** Result of a vitest test, or of anything else that can fail: loading a file, a check, a step of the set-up. */
export interface Outcome {
  readonly status: 'passed' | 'failed' | 'skipped';
  /** The file of a test, which can be run again. */
  readonly file?: string;
  readonly test: string;
  readonly message: string;
}

/** A test file and the time that it took, in milliseconds. */
export interface FileTime {
  readonly file: string;
  readonly ms: number;
}

/** Combined content of the reports of one vitest run. */
export interface Report {
  readonly outcomes: readonly Outcome[];
  readonly times: readonly FileTime[];
}

const VitestReport = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(''),
      startTime: z.number().optional(),
      endTime: z.number().optional(),
      assertionResults: z.array(
        z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});
type FileResult = z.infer<typeof VitestReport>['testResults'][number];

/**
 * Reads the reports of one run of vitest.
 * @param name name of the run, as the log shows it
 * @param reportFile the JSON report; a missing one counts as empty
 * @param strayFile the file that `stray-errors.ts` wrote
 * @param code exit code of vitest; a failure that no report explains is reported separately
 */
export async function readReport(name: string, reportFile: string, strayFile: string, code: number): Promise<Report> {
  const text = await readFile(reportFile, 'utf8').catch(() => '{"testResults":[]}');
  const { testResults } = VitestReport.parse(JSON.parse(text));
  const outcomes = [...testResults.flatMap(outcomesOf), ...(await strayErrors(name, strayFile))];
  if (code !== 0 && !outcomes.some(({ status }) => status === 'failed'))
    outcomes.push({ status: 'failed', test: `${name}: vitest ended with code ${code}`, message: '' });
  const times = testResults.flatMap(({ name: path, startTime, endTime }) =>
    startTime === undefined || endTime === undefined ? [] : [{ file: relative(root, path), ms: endTime - startTime }],
  );
  return { outcomes, times };
}

function outcomesOf({ name, status, message, assertionResults }: FileResult): Outcome[] {
  const file = relative(root, name);
  const outcomes = assertionResults.map((test): Outcome => {
    const known = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
    return { status: known, file, test: `${file} > ${test.fullName}`, message: test.failureMessages?.[0] ?? '' };
  });
  // A file that could not be loaded is a failure.
  if (status === 'failed' && !outcomes.some((test) => test.status === 'failed'))
    outcomes.push({ status, file, test: file, message });
  return outcomes;
}

async function strayErrors(name: string, strayFile: string): Promise<Outcome[]> {
  const stray = z.array(StrayError).parse(JSON.parse(await readFile(strayFile, 'utf8').catch(() => '[]')));
  return stray.map(({ type, message, stack, VITEST_TEST_PATH: path, VITEST_TEST_NAME: test }) => {
    const where = [path && relative(root, path), test].filter(Boolean).join(' > ');
    return { status: 'failed', test: `${name}: ${type}${where && ` in ${where}`}`, message: `${message}\n${stack}` };
  });
}

/** Collects the outcomes of `npm test` and prints the summary. */
export class Summary {
  readonly #failures: Outcome[] = [];
  /** Tests that failed among the others and passed when their file was rerun alone. They count as passed and are listed. */
  readonly #unsteady: Outcome[] = [];
  readonly #times: FileTime[] = [];
  #passed = 0;
  #skipped = 0;
  readonly #skippedFails: boolean;

  /** @param skippedFails whether skipped tests count as failed, as in CI */
  constructor(skippedFails: boolean) {
    this.#skippedFails = skippedFails;
  }

  add({ outcomes, times }: Report): void {
    for (const outcome of outcomes) this.addOutcome(outcome);
    this.#times.push(...times);
  }

  addOutcome(outcome: Outcome): void {
    if (outcome.status === 'passed') this.#passed++;
    else if (outcome.status === 'failed') this.#failures.push(outcome);
    else if (this.#skippedFails)
      this.#failures.push({ ...outcome, message: outcome.message || 'The test was skipped.' });
    else this.#skipped++;
  }

  addUnsteady(outcomes: readonly Outcome[]): void {
    this.#unsteady.push(...outcomes);
  }

  fail(test: string, message: string): void {
    this.#failures.push({ status: 'failed', test, message });
  }

  /** Prints the slowest files, the failures again, and the counts. Returns the exit code. */
  print(): number {
    const slowest = this.#times.toSorted((a, b) => b.ms - a.ms).slice(0, 10);
    if (slowest.length > 0) heading('The ten slowest files');
    for (const { file, ms } of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${file}`);
    show('Passed only when run again', this.#unsteady);
    show('Failed', this.#failures);
    console.log(`\n${this.#passed} passed, ${this.#failures.length} failed, ${this.#skipped} skipped`);
    return this.#failures.length > 0 || this.#passed === 0 ? 1 : 0;
  }
}

/** Prints failures in a few lines each. */
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

/** Prints a heading. */
export function heading(text: string): void {
  console.log(`\n== ${text}`);
}
