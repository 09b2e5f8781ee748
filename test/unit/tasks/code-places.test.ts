import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grownBy, movedBy } from '../../../extension/src/tasks/anchor.ts';
import { functionAt, indented, isEmptyFunction, todoAt } from '../../../extension/src/tasks/code-places.ts';

const lines = (text: string) => text.split('\n');

describe('the function around a line', () => {
  it.each([
    ['def a():\n    if x:\n        y\n\nz = 1\n', 2, { name: 'a', from: 0, to: 2 }],
    ['def a():\n    pass\n\nz = 1\n', 3, null],
    ['class A\n  def one!\n    1\n  end\nend\n', 2, { name: 'one!', from: 1, to: 3 }],
    [
      'func (t *T) Do(a int) int {\n\tif a > 0 {\n\t\treturn 1\n\t}\n\treturn 2\n}\n',
      4,
      { name: 'Do', from: 0, to: 5 },
    ],
    ['export const go = async (a) => {\n  await a;\n};\n', 1, { name: 'go', from: 0, to: 2 }],
    [
      'class A {\n  run(a: string): void {\n    if (a) {\n      b();\n    }\n  }\n}\n',
      3,
      { name: 'run', from: 1, to: 5 },
    ],
  ])('the function in %j around line %i is found', (text, line, found) => {
    expect(functionAt(lines(text), line)).toEqual(found);
  });

  it.each([
    ['def a(x):\n    pass', true],
    ['def a(x) -> int:\n    """Adds."""\n    ...', true],
    ['def a(x):\n    # TODO\n    raise NotImplementedError("later")', true],
    ['def a\nend', true],
    ['def a(b)\n  # TODO: write it\nend', true],
    ['func A() int {\n}', true],
    ['func A() int {\n\tpanic("todo")\n}', true],
    ['function a() {}', true],
    ['a(b) {\n  throw new Error("not yet");\n}', true],
    ['def a(x):\n    return x', false],
    ['function a() { return 1; }', false],
    ['def a\n  1\nend', false],
  ])('%j is an empty function: %s', (text, empty) => {
    expect(isEmptyFunction(lines(text), { from: 0, to: lines(text).length - 1 })).toBe(empty);
  });
});

describe('TODO comments', () => {
  it('a TODO comment includes its following lines, but not those of another comment', () => {
    const text = lines('x = 1\n# About x.\n# TODO: sort\n#  by name\n# TODO: print\ny = 2');
    expect(todoAt(text, 2)).toEqual({ from: 2, to: 3 });
    expect(todoAt(text, 3)).toEqual({ from: 2, to: 3 });
    expect(todoAt(text, 4)).toEqual({ from: 4, to: 4 });
    expect(todoAt(text, 1)).toBeNull();
    expect(todoAt(text, 5)).toBeNull();
  });
});

describe('generated code', () => {
  it('generated code gets the indentation of its place, and loses a Markdown fence', () => {
    expect(indented('```py\n  def a():\n      return 1\n\n```\n', '    ')).toBe('    def a():\n        return 1');
    expect(indented('a {\r\n\tb\r\n\r\n}\n', '\t')).toBe('\ta {\n\t\tb\n\n\t}');
  });
});

describe('a place that waits for code', () => {
  const span = { start: 10, end: 20 };
  it('a place moves with changes around it', () => {
    expect(movedBy(span, [{ offset: 0, length: 0, text: 'abc' }])).toEqual({ start: 13, end: 23 });
    expect(movedBy(span, [{ offset: 2, length: 7, text: '' }])).toEqual({ start: 3, end: 13 });
    expect(movedBy(span, [{ offset: 10, length: 0, text: 'a\n' }])).toEqual({ start: 12, end: 22 });
    expect(movedBy(span, [{ offset: 20, length: 0, text: '\r\na' }])).toEqual(span);
    expect(movedBy(span, [{ offset: 21, length: 3, text: 'x' }])).toEqual(span);
    expect(
      movedBy(span, [
        { offset: 30, length: 1, text: '' },
        { offset: 1, length: 1, text: 'yyy' },
      ]),
    ).toEqual({ start: 12, end: 22 });
  });

  it('a place is lost when its text or text right beside it changes', () => {
    for (const change of [
      { offset: 15, length: 0, text: 'x' },
      { offset: 9, length: 2, text: '' },
      { offset: 19, length: 5, text: 'y' },
      { offset: 0, length: 100, text: '' },
      { offset: 20, length: 0, text: ' and' },
      { offset: 20, length: 1, text: '' },
      { offset: 10, length: 0, text: 'x' },
      { offset: 9, length: 1, text: '' },
    ])
      expect(movedBy(span, [change])).toBeNull();
    for (const text of ['x', '\n']) expect(movedBy({ start: 5, end: 5 }, [{ offset: 5, length: 0, text }])).toBeNull();
    expect(movedBy({ start: 5, end: 5 }, [{ offset: 4, length: 2, text: '' }])).toBeNull();
  });

  it('a place grows with text that is typed inside it', () => {
    expect(grownBy(span, [{ offset: 15, length: 2, text: 'wxyz' }])).toEqual({ start: 10, end: 22 });
    expect(grownBy(span, [{ offset: 0, length: 1, text: '' }])).toEqual({ start: 9, end: 19 });
    expect(grownBy(span, [{ offset: 10, length: 10, text: '' }])).toEqual({ start: 10, end: 10 });
    expect(grownBy(span, [{ offset: 18, length: 5, text: '' }])).toBeNull();
  });

  it('a place keeps its text or is lost, whatever changes', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '\n', ' '), maxLength: 6 });
    const cuts = fc
      .array(fc.nat(30), { minLength: 2, maxLength: 8 })
      .map((at) => [...new Set(at)].sort((a, b) => a - b));
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.nat(10),
        cuts,
        fc.array(texts, { minLength: 8, maxLength: 8 }),
        (start, more, at, put) => {
          const text = Array.from({ length: 40 }, (_, n) => String.fromCodePoint(0x100 + n)).join('');
          const place = { start, end: start + more };
          // Changes of one event do not overlap, and their offsets refer to the text before it.
          const changes = at.flatMap((offset, n) =>
            n % 2 === 0 && at[n + 1] !== undefined
              ? [{ offset, length: (at[n + 1] ?? 0) - offset, text: put[n] ?? '' }]
              : [],
          );
          const changed = changes.reduceRight(
            (now, change) => now.slice(0, change.offset) + change.text + now.slice(change.offset + change.length),
            text,
          );
          const moved = movedBy(place, changes);
          if (moved) expect(changed.slice(moved.start, moved.end)).toBe(text.slice(place.start, place.end));
          const grown = grownBy(place, changes);
          // The range contains all that is left of its text, and no surrounding text.
          if (grown) {
            const own = new Set(text.slice(place.start, place.end));
            const inside = changed.slice(grown.start, grown.end);
            const outside = changed.slice(0, grown.start) + changed.slice(grown.end);
            expect([...outside].some((char) => own.has(char))).toBe(false);
            expect([...inside].some((char) => text.includes(char) && !own.has(char))).toBe(false);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
