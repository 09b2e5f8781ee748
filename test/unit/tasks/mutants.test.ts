import { describe, expect, it } from 'vitest';
import { linesOfFunction, mutationsOf } from '../../../server/src/proof/mutants.ts';

const changed = (source: string, language: Parameters<typeof mutationsOf>[1], most = 20) =>
  mutationsOf(source, language, null, most).map(({ line, before, after }) => `${line}: ${before} -> ${after}`);

describe('wrong versions of code', () => {
  it('a mutant changes one operator, constant, condition or return value', () => {
    const source = 'def f(a, b):\n    if a < b and a != 3:\n        return a + b\n    return True\n';
    const all = mutationsOf(source, 'python', null, 20);
    expect(changed(source, 'python').sort()).toEqual(
      [
        '2: != -> ==',
        '2: 3 -> 4',
        '2: < -> <=',
        '2: < -> >=',
        '2: and -> or',
        '3: + -> -',
        '3: return a + b -> return',
        '4: True -> False',
        '4: return True -> return',
      ].sort(),
    );
    for (const { text, line } of all) {
      const differs = text.split('\n').flatMap((one, at) => (one === source.split('\n')[at] ? [] : [at + 1]));
      expect(differs).toEqual([line]);
    }
  });

  it('mutants leave comments, docstrings and imports alone, and empty strings', () => {
    const source = '"""1 + 1"""\nimport x # 2 < 3\ndef f():\n    """Adds 1 + 1."""\n    return "a + b"\n';
    expect(changed(source, 'python')).toEqual(['5: "a + b" -> ""']);
    const script = "import x from 'x';\n// 1 < 2\nconst r = /a + b/;\nexport const f = (a) => a >= 2 && 'y';\n";
    expect(changed(script, 'javascript').sort()).toEqual(
      ["4: 'y' -> ''", '4: && -> ||', '4: 2 -> 3', '4: >= -> <', '4: >= -> >'].sort(),
    );
  });

  it('an arrow, a spaceship operator or a generic is not mutated as a comparison', () => {
    expect(changed('const f = (a) => a;\n', 'typescript')).toEqual([]);
    expect(changed('a <=> b\n', 'ruby')).toEqual([]);
    expect(changed('func F[T any](m Map<string>) <-chan T {}\n', 'go')).toEqual([]);
  });

  it('mutants include one of each kind before a second of any, and no more than requested', () => {
    const source = 'a = 1 + 2 + 3 + 4\nb = 5 < 6\n';
    expect(changed(source, 'ruby', 3)).toEqual(['2: < -> >=', '1: + -> -', '1: 1 -> 2']);
    expect(mutationsOf('1 + 1', 'bash', null, 5)).toEqual([]);
  });

  it.each([
    [
      'python',
      'import os\n\n@cached\ndef one():\n    return 1\n\n\ndef two(a,\n        b):\n    x = [\n        1,\n    ]\n    return 2\n\nthree = 3\n',
      'two',
      8,
      13,
    ],
    [
      'ruby',
      'class A\n  def one\n    1\n  end\n\n  def self.two(a)\n    if a\n      2\n    end\n  end\nend\n',
      'A.two',
      6,
      10,
    ],
    ['go', 'package a\n\nfunc One() {}\n\nfunc (t *T) Two(\n\ta int,\n) int {\n\treturn a\n}\n', 'Two', 5, 9],
    ['javascript', 'const one = 1;\nexport const two = (a) => {\n  return a;\n};\nconst three = 3;\n', 'two', 2, 4],
    [
      'typescript',
      'class A {\n  one(): void {}\n\n  async two(a: number): Promise<void> {\n    a++;\n  }\n}\n',
      'two',
      4,
      6,
    ],
  ] as const)('a function in %s is found', (language, source, name, from, to) => {
    expect(linesOfFunction(source, language, name)).toEqual({ from, to });
    expect(linesOfFunction(source, language, 'nowhere')).toBeNull();
  });

  it('mutants stay within the lines of the function', () => {
    const source = 'def a():\n    return 1 + 1\n\ndef b():\n    return 2 + 2\n';
    const lines = linesOfFunction(source, 'python', 'b');
    expect(new Set(mutationsOf(source, 'python', lines, 20).map(({ line }) => line))).toEqual(new Set([5]));
  });

  it('finding mutants in code that is hard to parse takes bounded time', () => {
    const begun = performance.now();
    for (const hard of [
      '"'.repeat(50_000),
      '/'.repeat(50_000),
      'return ('.repeat(5_000),
      '('.repeat(20_000),
      'a < '.repeat(20_000),
      'static '.repeat(20_000),
      ' f('.repeat(20_000),
    ])
      for (const language of ['python', 'javascript', 'go', 'ruby'] as const) {
        mutationsOf(hard, language, null, 6);
        linesOfFunction(hard, language, 'f');
      }
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});
