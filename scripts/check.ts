import { join } from 'node:path';
import { root, shipped } from './build.ts';
import { licenseProblems } from './licenses.ts';
import { type RunResult, run } from './run.ts';

/** A check and the command that runs it. */
interface Check {
  readonly name: string;
  readonly run: () => Promise<RunResult>;
}

const tool = (name: string, ...args: string[]) => run(join(root, 'node_modules/.bin', name), args, { cwd: root });

const checks: readonly Check[] = [
  { name: 'types', run: () => tool('tsc', '-p', '.') },
  { name: 'types of the page', run: () => tool('tsc', '-p', 'webview-ui') },
  {
    name: 'format, lint and import rules',
    run: () => tool('biome', 'ci', '--colors=off', '--error-on-warnings', '--no-errors-on-unmatched'),
  },
  { name: 'unused files and exports', run: () => tool('knip', '--no-progress') },
  { name: 'licenses of what is shipped', run: checkLicenses },
];

/** Runs every check and prints the failures. Returns the checks that passed and those that failed. */
export async function check(): Promise<{ passed: string[]; failed: { name: string; output: string }[] }> {
  const results = await Promise.all(checks.map(async ({ name, run }) => ({ name, ...(await run()) })));
  for (const { name, code, output } of results) {
    console.log(`${code === 0 ? '✓' : '✗'} ${name}`);
    if (code !== 0) console.log(output.trimEnd());
  }
  const failed = results.filter(({ code }) => code !== 0);
  return { passed: results.filter(({ code }) => code === 0).map(({ name }) => name), failed };
}

async function checkLicenses(): Promise<RunResult> {
  try {
    const problems = licenseProblems(await shipped());
    return { code: problems.length === 0 ? 0 : 1, output: problems.join('\n') };
  } catch (error) {
    return { code: 1, output: String(error) };
  }
}

if (import.meta.main) {
  const { failed } = await check();
  process.exitCode = failed.length === 0 ? 0 : 1;
}
