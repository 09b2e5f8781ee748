import './suite.ts';
import './diff.ts';
import './lm.ts';
import './mentions.ts';
import './workspace-apply.ts';
import './workspace-edits.ts';
import './workspace-faults.ts';
import './workspace-find.ts';
import { runTests } from '../../support/vscode/harness.ts';

/** Called by VS Code's extension test runner. */
export async function run(): Promise<void> {
  await runTests();
}
