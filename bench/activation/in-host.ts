import './measure.ts';
import { runTests } from '../../test/support/vscode/harness.ts';

/** Called by VS Code's extension test runner. */
export const run = runTests;
