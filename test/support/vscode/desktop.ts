#!/usr/bin/env node
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runInHost } from './browser.ts';

/*
 * Replaces a desktop VS Code if none is installed: reads its command line and environment, and runs the tests that they
 * name inside the extension host of the VS Code in a browser. This verifies that `npm run test:desktop` passes the
 * right arguments and reads the result; it verifies nothing about Electron.
 */

const { values, positionals } = parseArgs({
  options: {
    extensionDevelopmentPath: { type: 'string', multiple: true },
    extensionTestsPath: { type: 'string' },
    'user-data-dir': { type: 'string' },
  },
  allowPositionals: true,
  strict: false,
});
const { extensionTestsPath: bundle } = values;
const [extension, ...extensions] = (values.extensionDevelopmentPath ?? []).filter((path) => typeof path === 'string');
const [workspace] = positionals;
const { DEVLM_DATA_DIR, DEVLM_TEST_RESULTS, ANTHROPIC_API_KEY } = process.env;
if (typeof bundle !== 'string' || !extension || !workspace || !DEVLM_DATA_DIR || !DEVLM_TEST_RESULTS)
  throw new Error('Something is missing on the command line or in the environment.');
if (ANTHROPIC_API_KEY !== undefined) throw new Error('The tests would have a real key.');
const results = await runInHost(bundle, { workspace, extension, extensions, env: { DEVLM_DATA_DIR } });
await writeFile(DEVLM_TEST_RESULTS, JSON.stringify(results));
process.exitCode = results.some(({ error }) => error !== undefined) ? 1 : 0;
