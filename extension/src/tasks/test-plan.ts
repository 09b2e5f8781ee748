import type { TestFramework } from '@devlm/protocol/tasks.ts';

/*
 * Which framework a project tests with, where the tests of a file belong, and which are beside it. Read from
 * the workspace, not guessed by a model.
 */

/** What is looked at; paths are relative to the folder, with `/`. */
export interface ProjectFiles {
  /** Paths that fit a glob, ignored files left out; at most so many. */
  find(glob: string, most: number): Promise<readonly string[]>;
  /** Null where it is not there, or no text. */
  read(path: string): Promise<string | null>;
}

export interface TestPlan {
  readonly framework: TestFramework;
  /** Why: the file that says so; null where nothing does and the language's own is taken. */
  readonly because: string | null;
  /** The file for the tests; it may be there already. */
  readonly file: string;
  readonly exists: boolean;
  /** Tests that show the style, nearest first. */
  readonly neighbours: readonly string[];
}

type Kind = 'python' | 'script' | 'go' | 'ruby';

const kinds: Readonly<Record<string, Kind>> = {
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

/** How the tests of a kind are found. */
const globs: Readonly<Record<Kind, string>> = {
  python: '**/{test_*,*_test}.py',
  script: '**/*.{test,spec}.{js,mjs,cjs,jsx,ts,mts,cts,tsx}',
  go: '**/*_test.go',
  ruby: '**/{*_test,test_*,*_spec}.rb',
};
const mostTests = 200;
const mostNeighbours = 3;

/** @returns null for a file that nothing is known to test with */
export async function planTests(path: string, files: ProjectFiles): Promise<TestPlan | null> {
  const kind = kinds[/\.(\w+)$/.exec(path)?.[1] ?? ''];
  if (!kind) return null;
  const found = await files.find(globs[kind], mostTests);
  const tests = [...found].filter((test) => test !== path).sort((a, b) => distance(a, path) - distance(b, path));
  const { framework, because } = await frameworkOf(kind, tests, files);
  const own = tests.find((test) => subjectOf(test) === subjectOf(path));
  const file = own ?? placeFor(path, kind, framework, tests);
  return {
    framework,
    because,
    file,
    exists: tests.includes(file) || (await files.read(file)) !== null,
    neighbours: tests.filter((test) => test !== file).slice(0, mostNeighbours),
  };
}

async function frameworkOf(
  kind: Kind,
  tests: readonly string[],
  files: ProjectFiles,
): Promise<Pick<TestPlan, 'framework' | 'because'>> {
  const nearest = tests[0];
  const text = nearest === undefined ? '' : ((await files.read(nearest)) ?? '');
  const says = async (path: string, pattern: RegExp) => pattern.test((await files.read(path)) ?? '');
  const firstOf = async (options: readonly [TestFramework, string, RegExp][]) => {
    for (const [framework, path, pattern] of options)
      if (await says(path, pattern)) return { framework, because: path };
    return null;
  };
  const byTest = (framework: TestFramework) => ({ framework, because: nearest ?? null });
  switch (kind) {
    case 'go':
      return { framework: 'go', because: null };
    case 'python':
      // pytest runs both kinds; what the tests look like comes before what is installed.
      if (/^\s*(?:import|from)\s+pytest\b/m.test(text) || (/^def test_/m.test(text) && !/\bunittest\b/.test(text)))
        return byTest('pytest');
      if (/\bunittest\b/.test(text)) return byTest('unittest');
      return (
        (await firstOf([
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
        (await firstOf([
          ['rspec', '.rspec', /./],
          ['rspec', 'Gemfile', /['"]rspec/],
        ])) ?? { framework: 'minitest', because: null }
      );
    case 'script':
      if (/from\s+['"]node:test['"]|require\(['"]node:test['"]\)/.test(text)) return byTest('node');
      if (/from\s+['"]vitest['"]/.test(text)) return byTest('vitest');
      if (/from\s+['"]@jest\/globals['"]/.test(text)) return byTest('jest');
      return (
        (await firstOf([
          ['vitest', 'package.json', /"vitest"\s*:/],
          ['jest', 'package.json', /"(?:jest|ts-jest)"\s*:/],
        ])) ?? { framework: 'node', because: null }
      );
  }
}

/** Where the tests of a file go: as its neighbours do, else as the language's habit is. */
function placeFor(path: string, kind: Kind, framework: TestFramework, tests: readonly string[]): string {
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
      // Tests in a folder of their own stay there; those beside the code stay beside it.
      const apart = nearestFolder !== undefined && /(?:^|\/)(?:tests?|__tests__|spec)\/$/.test(nearestFolder);
      return `${apart ? nearestFolder : folder}${stem}.${word}.${extension}`;
    }
  }
}

/** The name that a file and its tests share. */
function subjectOf(path: string): string {
  const name = path.split('/').at(-1) ?? path;
  return name.replace(/\.\w+$/, '').replace(/^test_|(?:_test|_spec|\.test|\.spec)$/g, '');
}

/** Folders between two files. */
function distance(a: string, b: string): number {
  const [left, right] = [a.split('/').slice(0, -1), b.split('/').slice(0, -1)];
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  return left.length + right.length - 2 * same;
}
