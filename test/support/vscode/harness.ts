import { writeFile } from 'node:fs/promises';
import * as z from 'zod';

/*
 * A minimal test framework that runs inside an extension host, where vitest cannot: `test` registers tests, `runTests`
 * runs them in order and writes a report file, which the outer runner turns into one vitest test each.
 */

/** Results that `runTests` writes to the file in the environment variable `DEVLM_TEST_RESULTS`. */
export const HostResults = z.array(
  z.object({ name: z.string(), ms: z.number(), error: z.string().optional(), value: z.json().optional() }),
);
/** Results of the tests inside the extension host. */
export type HostResults = z.infer<typeof HostResults>;

/** Maximum duration of a test, in milliseconds. */
const testMs = 60_000;

const tests: { name: string; body: () => unknown }[] = [];

/** Registers a test. A returned value is reported with its name, as for the figures of a benchmark. */
export function test(name: string, body: () => unknown): void {
  tests.push({ name, body });
}

/** Runs the registered tests. Throws if one failed, so that the extension host exits with code 1. */
export async function runTests(): Promise<void> {
  const results: HostResults = [];
  for (const { name, body } of tests) {
    const started = performance.now();
    try {
      const value = await bounded(body());
      results.push({
        name,
        ms: performance.now() - started,
        ...(value === undefined ? {} : { value: z.json().parse(value) }),
      });
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      results.push({ name, ms: performance.now() - started, error: text });
    }
    const last = results.at(-1);
    console.log(`${last?.error ? 'failed' : 'passed'} ${name}${last?.error ? `\n${last.error}` : ''}`);
  }
  const file = process.env['DEVLM_TEST_RESULTS'];
  if (file) await writeFile(file, JSON.stringify(results));
  const failed = results.filter(({ error }) => error !== undefined).length;
  if (failed > 0) throw new Error(`${failed} of ${results.length} tests failed in the extension host`);
}

async function bounded(work: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${testMs} ms`)), testMs);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
