import { writeFileSync } from 'node:fs';
import * as z from 'zod';

/** An error that no test caught. It fails a run of vitest, but is missing from its JSON report. */
export const StrayError = z.object({
  message: z.string().default(''),
  stack: z.string().default(''),
  /** Kind of error, such as "Unhandled Rejection". */
  type: z.string().default('Unhandled Error'),
  /** The file and the test that vitest thinks were running. */
  VITEST_TEST_PATH: z.string().optional(),
  VITEST_TEST_NAME: z.string().optional(),
});

/** Vitest reporter that writes the stray errors of a run to the file named in `DEVLM_STRAY_ERRORS`. */
export default class StrayErrors {
  onTestRunEnd(_modules: unknown, errors: readonly unknown[]): void {
    const file = process.env['DEVLM_STRAY_ERRORS'];
    if (file) writeFileSync(file, JSON.stringify(errors.map((error) => StrayError.safeParse(error).data ?? {})));
  }
}
