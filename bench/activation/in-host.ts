import './measure.ts';
import { runTests } from '../../test/support/vscode/harness.ts';

/** Entry function for VS Code's extension test runner. */
export const run = runTests;
