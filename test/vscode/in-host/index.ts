import './suite.ts';
import { runTests } from '../../support/vscode/harness.ts';

/** Called by VS Code's extension test runner. */
export async function run(): Promise<void> {
  await runTests();
}
