import type { ExecutionRecord, Language } from '@devlm/protocol/execution.ts';
import type { TestFramework } from '@devlm/protocol/tasks.ts';

/** A command that runs tests in the sandbox. */
export interface TestCommand {
  readonly language: Language;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Matches output that shows that the framework itself is not installed. */
const notInstalled: Partial<Record<TestFramework, RegExp>> = {
  pytest: /No module named '?pytest/,
  vitest: /vitest: not found|could not determine executable|ENOENT|EAI_AGAIN|ENOTFOUND/,
  jest: /jest: not found|could not determine executable|ENOENT|EAI_AGAIN|ENOTFOUND/,
  minitest: /cannot load such file -- minitest/,
  rspec: /rspec: not found|cannot load such file -- rspec/,
};

/** Suggestions of a framework that a plain sandbox has instead. */
const alternatives: Partial<Record<TestFramework, string>> = {
  pytest: 'Write unittest.TestCase classes, which pytest runs too, and name the framework unittest.',
  vitest: 'Write the tests for node:test and name the framework node.',
  jest: 'Write the tests for node:test and name the framework node.',
  rspec: 'Write the tests for minitest and name the framework minitest.',
};

/** Matches output that shows that the framework found no tests. */
const noTests = /Ran 0 tests|no tests ran|^# tests 0$|\bno tests to run\b|\[no test files\]|^0 runs, |^0 examples, /m;

/** Returns the command that runs test files, in the folder of the workspace. */
export function testCommand(framework: TestFramework, tests: readonly string[]): TestCommand {
  switch (framework) {
    case 'pytest':
      return { language: 'python', command: ['python3', '-m', 'pytest', '-q', ...tests], env: pythonPath };
    case 'unittest':
      return { language: 'python', command: ['python3', '-m', 'unittest', '-v', ...tests], env: pythonPath };
    case 'node': {
      const typed = tests.some((path) => /\.[mc]?tsx?$/.test(path));
      const flags = typed ? ['--experimental-transform-types', '--disable-warning=ExperimentalWarning'] : [];
      return {
        language: typed ? 'typescript' : 'javascript',
        command: ['node', ...flags, '--test', ...tests],
        env: {},
      };
    }
    case 'vitest':
      return { language: 'javascript', command: ['npx', 'vitest', 'run', ...tests], env: {} };
    case 'jest':
      return { language: 'javascript', command: ['npx', 'jest', ...tests], env: {} };
    case 'go': {
      const folders = [
        ...new Set(tests.map((path) => `./${path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''}`)),
      ];
      return { language: 'go', command: ['go', 'test', '-count=1', '-v', ...folders], env: {} };
    }
    case 'minitest':
      return { language: 'ruby', command: ['ruby', '-Ilib', '-Itest', '-e', loadAll(tests)], env: {} };
    case 'rspec':
      return { language: 'ruby', command: ['rspec', '-Ilib', ...tests], env: {} };
  }
}

/** Returns why a run proves nothing about the code, or null if it does. */
export function whyInconclusive(framework: TestFramework, record: ExecutionRecord): string | null {
  const output = `${record.stdout}\n${record.stderr}`;
  if (record.status === 'engine-error' || record.status === 'cancelled') return 'The sandbox did not run the tests.';
  if (record.status === 'failed' && notInstalled[framework]?.test(output))
    return `The sandbox does not have ${framework}. ${alternatives[framework] ?? 'Ask the user for an image that has it (setting sandboxImages).'}`;
  return noTests.test(output) ? 'No test ran because the framework found no tests in these files.' : null;
}

/** Adds the folders in which packages usually are. */
const pythonPath = { PYTHONPATH: '.:src' };

/** Returns Ruby code that loads the files. In single quotes, Ruby only interprets the quote and the backslash. */
function loadAll(tests: readonly string[]): string {
  return tests.map((path) => `load './${path.replaceAll(/[\\']/g, '\\$&')}'`).join(';');
}
