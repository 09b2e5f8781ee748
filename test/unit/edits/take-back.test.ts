import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import { rawLines } from '@devlm/workspace-core/line-ends.ts';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { withHunks } from '../../../server/src/actions/edits/hunks.ts';
import { placesOf, takeBack } from '../../../server/src/actions/edits/take-back.ts';

const lines = (...texts: (string | number)[]) => texts.map((text) => `${text}\r\n`).join('');
const numbers = Array.from({ length: 12 }, (_, index) => index + 1);
const before = lines(...numbers);
const after = lines(...numbers.map((n) => (n === 6 ? 'six' : n)));
const only = new Set([0]);

describe('a difference is taken back', () => {
  it.each([
    ['where nothing else was written', after, before],
    ['below what was written since', `mine\r\n${after}`, `mine\r\n${before}`],
    ['above what was written since', `${after}mine`, `${before}mine`],
    ['beside the lines around it', after.replace('2\r\n', '2\r\nmine\r\n'), before.replace('2\r\n', '2\r\nmine\r\n')],
  ])('a difference is taken back %s', (_where, live, expected) => {
    expect(takeBack(before, after, live, only)).toBe(expected);
  });

  it.each([
    ['its own line was changed', after.replace('six', 'my six')],
    ['a line around it was changed', after.replace('7', 'seven')],
    ['something was written right before it', after.replace('six', 'mine\r\nsix')],
    ['something was written right after it', after.replace('six\r\n', 'six\r\nmine\r\n')],
    ['its place is there twice', `${after}${after}`],
    ['the line ends were changed', after.replaceAll('\r\n', '\n')],
    ['nothing is left', ''],
  ])('a difference is not taken back where %s', (_where, live) => {
    expect(takeBack(before, after, live, only)).toBeNull();
  });

  it('a difference is not taken back if the text around it occurred twice from the start', () => {
    const block = lines('a', 'b', 'c');
    const twice = `${block}x\r\n${block}x\r\n${block}`;
    expect(takeBack(twice.replace('x', 'X'), twice, `${twice}mine`, only)).toBeNull();
  });
});

const line = fc.constantFrom('a\n', 'b\n', 'c\r\n', '\n', 'd\r', 'e');
const text = fc.array(line, { maxLength: 12 }).map((parts) => parts.join(''));

test('taking back a change in an untouched text restores the text without it', () => {
  let made = 0;
  fc.assert(
    fc.property(text, text, fc.nat(), (old, changed, pick) => {
      const hunks = hunksOf(old, changed);
      const taken = new Set([...hunks.keys()].filter((index) => (pick >> index) & 1));
      const kept = new Set([...hunks.keys()].filter((index) => !taken.has(index)));
      const mended = takeBack(old, changed, changed, taken);
      if (mended === null) return;
      made += 1;
      expect(mended).toBe(withHunks(old, hunks, kept));
    }),
    { numRuns: 2_000 },
  );
  expect(made).toBeGreaterThan(500);
});

test('text that the user wrote elsewhere stays, line for line', () => {
  fc.assert(
    fc.property(text, text, (head, tail) => {
      const [mineAbove, mineBelow] = [rawLines(`${head}\n`), rawLines(tail)];
      const live = `${mineAbove.join('')}${after}${mineBelow.join('')}`;
      expect(takeBack(before, after, live, only)).toBe(`${mineAbove.join('')}${before}${mineBelow.join('')}`);
    }),
  );
});

test('differences are placed on both sides', () => {
  fc.assert(
    fc.property(text, text, (old, changed) => {
      const hunks = hunksOf(old, changed);
      for (const [index, { base, now }] of placesOf(old, changed).entries()) {
        expect(
          rawLines(old)
            .slice(base.line, base.line + base.lines)
            .join(''),
        ).toBe(hunks[index]?.before);
        expect(
          rawLines(changed)
            .slice(now.line, now.line + now.lines)
            .join(''),
        ).toBe(hunks[index]?.after);
      }
    }),
  );
});
