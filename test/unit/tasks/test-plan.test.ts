import { describe, expect, it } from 'vitest';
import { planTests } from '../../../extension/src/tasks/test-plan.ts';

/** Creates a project from its files, with support for the globs that are used. */
function project(files: Record<string, string>) {
  return {
    find: async (glob: string, most: number) => {
      const source = glob
        .replaceAll('.', '\\.')
        .replace('**/', '(?:.*/)?')
        .replaceAll(/\{([^}]*)\}/g, (_all, list: string) => `(?:${list.replaceAll(',', '|')})`)
        .replaceAll(/(?<!\.)\*(?!\/)/g, '[^/]*');
      return Object.keys(files)
        .filter((path) => new RegExp(`^${source}$`).test(path))
        .slice(0, most);
    },
    read: async (path: string) => files[path] ?? null,
  };
}

describe('how a project is tested', () => {
  it.each([
    ['a Python file alone', 'app/calc.py', {}, { framework: 'unittest', because: null, file: 'tests/test_calc.py' }],
    [
      'pytest by its settings',
      'app/calc.py',
      { 'pyproject.toml': '[tool.pytest.ini_options]' },
      { framework: 'pytest', because: 'pyproject.toml', file: 'tests/test_calc.py' },
    ],
    [
      'unittest by a neighbour, against an installed pytest',
      'calc.py',
      { 'requirements.txt': 'pytest', 'test/test_other.py': 'import unittest\n' },
      {
        framework: 'unittest',
        because: 'test/test_other.py',
        file: 'test/test_calc.py',
        neighbours: ['test/test_other.py'],
      },
    ],
    [
      'tests that are there',
      'src/calc.py',
      { 'tests/test_calc.py': 'def test_one():\n    pass\n', 'tests/test_b.py': '' },
      { framework: 'pytest', file: 'tests/test_calc.py', exists: true, neighbours: ['tests/test_b.py'] },
    ],
    ['a module', 'src/calc.mjs', {}, { framework: 'node', because: null, file: 'src/calc.test.mjs' }],
    [
      'vitest by the manifest, in the folder of the tests',
      'src/calc.ts',
      { 'package.json': '{"devDependencies":{"vitest":"1"}}', 'test/a.spec.ts': '' },
      { framework: 'vitest', because: 'package.json', file: 'test/calc.spec.ts' },
    ],
    [
      'node:test by the nearest neighbour',
      'lib/calc.js',
      { 'lib/a.test.js': "import { test } from 'node:test';", 'other/b.test.js': "import { it } from 'vitest';" },
      { framework: 'node', because: 'lib/a.test.js', file: 'lib/calc.test.js' },
    ],
    ['jest', 'calc.js', { 'package.json': '{"jest": {}}' }, { framework: 'jest', file: 'calc.test.js' }],
    ['Go', 'pkg/stack/stack.go', {}, { framework: 'go', because: null, file: 'pkg/stack/stack_test.go' }],
    ['Ruby', 'lib/words.rb', {}, { framework: 'minitest', because: null, file: 'test/words_test.rb' }],
    [
      'rspec',
      'lib/words.rb',
      { Gemfile: "gem 'rspec'", 'spec/a_spec.rb': 'RSpec.describe A do\nend' },
      { framework: 'rspec', because: 'spec/a_spec.rb', file: 'spec/words_spec.rb' },
    ],
  ] as const)('the test plan of %s', async (_name, path, files, plan) => {
    expect(await planTests(path, project(files))).toMatchObject(plan);
  });

  it('there is no test plan for files of other languages', async () => {
    expect(await planTests('README.md', project({}))).toBeNull();
    expect(await planTests('Makefile', project({}))).toBeNull();
  });
});
