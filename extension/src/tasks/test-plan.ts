import type { TestFramework } from '@devlm/protocol/tasks.ts';

/*
 * Determines from the workspace which test framework a project uses, where the tests of a file belong, and which
 * tests are near it.
 */

/** Access to the files of a project. Paths are relative to the folder, with `/`. */
export interface ProjectFiles {
  /** Returns at most `max` paths that match a glob, without ignored files. */
  find(glob: string, max: number): Promise<readonly string[]>;
  /** Returns the text of a file, or null if it does not exist or is not text. */
  read(path: string): Promise<string | null>;
}

/** The framework and location of the tests of a file. */
export interface TestPlan {
  readonly framework: TestFramework;
  /** File that indicates the framework. Null if it is the default of the language. */
  readonly because: string | null;
  /** Path of the test file, which may already exist. */
  readonly file: string;
  readonly exists: boolean;
  /** Paths of existing tests, nearest first, as examples of the style. */
  readonly neighbours: readonly string[];
}

type LanguageKind = 'python' | 'script' | 'go' | 'ruby';

const kinds: Readonly<Record<string, LanguageKind>> = {
  py: 'python',
  js: 'script',
  mjs: 'script',
  cjs: 'script',
  jsx: 'script',
  ts: 'script',
  mts: 'script',
  cts: 'script',
  tsx: 'script',
  go: 'go',
  rb: 'ruby',
};

/** Globs of the test files of each kind. */
const globs: Readonly<Record<LanguageKind, string>> = {
  python: '**/{test_*,*_test}.py',
  script: '**/*.{test,spec}.{js,mjs,cjs,jsx,ts,mts,cts,tsx}',
  go: '**/*_test.go',
  ruby: '**/{*_test,test_*,*_spec}.rb',
};
const maxTests = 200;
const maxNeighbours = 3;

/**
 * Plans the tests of a file.
 * @returns null if no test framework is known for the file
 */
export async function planTests(path: string, files: ProjectFiles): Promise<TestPlan | null> {
  const kind = kinds[/\.(\w+)$/.exec(path)?.[1] ?? ''];
  if (!kind) return null;
  const testPaths = await files.find(globs[kind], maxTests);
  const tests = [...testPaths].filter((test) => test !== path).sort((a, b) => distance(a, path) - distance(b, path));
  const { framework, because } = await frameworkOf(kind, tests, files);
  const existing = tests.find((test) => subjectOf(test) === subjectOf(path));
  const file = existing ?? placeFor(path, kind, framework, tests);
  return {
    framework,
    because,
    file,
    exists: tests.includes(file) || (await files.read(file)) !== null,
    neighbours: tests.filter((test) => test !== file).slice(0, maxNeighbours),
  };
}

async function frameworkOf(
  kind: LanguageKind,
  tests: readonly string[],
  files: ProjectFiles,
): Promise<Pick<TestPlan, 'framework' | 'because'>> {
  const nearest = tests[0];
  const text = nearest === undefined ? '' : ((await files.read(nearest)) ?? '');
  const matches = async (path: string, pattern: RegExp) => pattern.test((await files.read(path)) ?? '');
  const firstMatch = async (options: readonly [TestFramework, string, RegExp][]) => {
    for (const [framework, path, pattern] of options)
      if (await matches(path, pattern)) return { framework, because: path };
    return null;
  };
  const byTest = (framework: TestFramework) => ({ framework, because: nearest ?? null });
  switch (kind) {
    case 'go':
      return { framework: 'go', because: null };
    case 'python':
      // pytest also runs unittest tests: the style of the existing tests decides before what is installed.
      if (/^\s*(?:import|from)\s+pytest\b/m.test(text) || (/^def test_/m.test(text) && !/\bunittest\b/.test(text)))
        return byTest('pytest');
      if (/\bunittest\b/.test(text)) return byTest('unittest');
      return (
        (await firstMatch([
          ['pytest', 'pytest.ini', /\[pytest\]/],
          ['pytest', 'pyproject.toml', /\bpytest\b/],
          ['pytest', 'setup.cfg', /\bpytest\b/],
          ['pytest', 'tox.ini', /\bpytest\b/],
          ['pytest', 'requirements-dev.txt', /^pytest\b/m],
          ['pytest', 'requirements.txt', /^pytest\b/m],
        ])) ?? { framework: 'unittest', because: null }
      );
    case 'ruby':
      if (/\bRSpec\b|^\s*describe\b.*\bdo\b/m.test(text) && nearest?.endsWith('_spec.rb')) return byTest('rspec');
      if (/minitest|Minitest/.test(text)) return byTest('minitest');
      return (
        (await firstMatch([
          ['rspec', '.rspec', /./],
          ['rspec', 'Gemfile', /['"]rspec/],
        ])) ?? { framework: 'minitest', because: null }
      );
    case 'script':
      if (/from\s+['"]node:test['"]|require\(['"]node:test['"]\)/.test(text)) return byTest('node');
      if (/from\s+['"]vitest['"]/.test(text)) return byTest('vitest');
      if (/from\s+['"]@jest\/globals['"]/.test(text)) return byTest('jest');
      return (
        (await firstMatch([
          ['vitest', 'package.json', /"vitest"\s*:/],
          ['jest', 'package.json', /"(?:jest|ts-jest)"\s*:/],
        ])) ?? { framework: 'node', because: null }
      );
  }
}

/** Returns the path of a new test file, following its neighbours, else the convention of the language. */
function placeFor(path: string, kind: LanguageKind, framework: TestFramework, tests: readonly string[]): string {
  const [, folder = '', stem = '', extension = ''] = /^(.*\/)?([^/]+?)\.(\w+)$/.exec(path) ?? [];
  const nearest = tests[0];
  const nearestFolder = nearest?.replace(/[^/]*$/, '');
  switch (kind) {
    case 'go':
      return `${folder}${stem}_test.go`;
    case 'python':
      return `${nearestFolder ?? 'tests/'}${nearest && /_test\.py$/.test(nearest) ? `${stem}_test` : `test_${stem}`}.py`;
    case 'ruby':
      if (framework === 'rspec') return `${nearestFolder ?? 'spec/'}${stem}_spec.rb`;
      return `${nearestFolder ?? 'test/'}${nearest && /\/test_[^/]*$/.test(nearest) ? `test_${stem}` : `${stem}_test`}.rb`;
    case 'script': {
      const word = nearest && /\.spec\.\w+$/.test(nearest) ? 'spec' : 'test';
      // Follow the existing tests: either in a separate folder, or next to the code.
      const isSeparateFolder =
        nearestFolder !== undefined && /(?:^|\/)(?:tests?|__tests__|spec)\/$/.test(nearestFolder);
      return `${isSeparateFolder ? nearestFolder : folder}${stem}.${word}.${extension}`;
    }
  }
}

/** Returns the name that a file and its tests share. */
function subjectOf(path: string): string {
  const name = path.split('/').at(-1) ?? path;
  return name.replace(/\.\w+$/, '').replace(/^test_|(?:_test|_spec|\.test|\.spec)$/g, '');
}

/** Returns the number of folders between two files. */
function distance(a: string, b: string): number {
  const [left, right] = [a.split('/').slice(0, -1), b.split('/').slice(0, -1)];
  let common = 0;
  while (common < left.length && left[common] === right[common]) common++;
  return left.length + right.length - 2 * common;
}
