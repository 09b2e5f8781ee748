import { type Case, edit, edits, is, no } from '../case.ts';

const abc = 'one\ntwo\nthree\nfour\n';

/** Cases of several edits of one file, and of files that are not text. */
export const severalCorpus: readonly Case[] = [
  edits(
    'two apart',
    abc,
    [
      { oldText: 'one', newText: '1' },
      { oldText: 'four', newText: '4' },
    ],
    is('1\ntwo\nthree\n4\n'),
  ),
  edits(
    'two apart, last first',
    abc,
    [
      { oldText: 'four', newText: '4' },
      { oldText: 'one', newText: '1' },
    ],
    is('1\ntwo\nthree\n4\n'),
  ),
  edits(
    'neighbours',
    abc,
    [
      { oldText: 'two\n', newText: '2\n' },
      { oldText: 'three\n', newText: '3\n' },
    ],
    is('one\n2\n3\nfour\n'),
  ),
  edits(
    'what one wrote is what the next stands beside',
    abc,
    [
      { oldText: 'two', newText: '2' },
      { oldText: '2\nthree', newText: '2\n3' },
    ],
    is('one\n2\n3\nfour\n'),
  ),
  edits(
    'what one wrote is what the next changes',
    abc,
    [
      { oldText: 'two', newText: 'deux' },
      { oldText: 'deux', newText: 'zwei' },
    ],
    no('overlap'),
  ),
  edits(
    'what one wrote is in what the next deletes',
    abc,
    [
      { oldText: 'two', newText: 'deux' },
      { oldText: 'one\ndeux\n', newText: '' },
    ],
    no('overlap'),
  ),
  edits(
    'an insertion into what one wrote',
    abc,
    [
      { oldText: 'two', newText: 'deux trois' },
      { oldText: 'deux trois', newText: 'deux et trois' },
    ],
    no('overlap'),
  ),
  edits(
    'an insertion beside what one wrote',
    abc,
    [
      { oldText: 'two\n', newText: '2\n' },
      { oldText: '2\nthree', newText: '2\n2.5\nthree' },
    ],
    is('one\n2\n2.5\nthree\nfour\n'),
  ),
  edits(
    'over what one deleted',
    abc,
    [
      { oldText: 'two\n', newText: '' },
      { oldText: 'one\nthree', newText: 'x' },
    ],
    no('overlap'),
  ),
  edits(
    'the same edit twice',
    abc,
    [
      { oldText: 'two', newText: 'deux' },
      { oldText: 'two', newText: 'deux' },
    ],
    no('already-applied'),
  ),
  edits(
    'the second is refused, so is the first',
    abc,
    [
      { oldText: 'one', newText: '1' },
      { oldText: 'xyz', newText: 'q' },
    ],
    no('not-found'),
  ),
  edits(
    'the first makes the second ambiguous',
    abc,
    [
      { oldText: 'one', newText: 'four' },
      { oldText: 'four', newText: '4' },
    ],
    no('ambiguous'),
  ),
  edits(
    'two overlap in the file',
    abc,
    [
      { oldText: 'one\ntwo\n', newText: 'x\n' },
      { oldText: 'two\nthree\n', newText: 'y\n' },
    ],
    no('near-miss'),
  ),
  edits(
    'three, one of them all places',
    'a b a\nc\nd\n',
    [
      { oldText: 'a', newText: 'x', replaceAll: true },
      { oldText: 'c', newText: 'y' },
      { oldText: 'd', newText: 'z' },
    ],
    is('x b x\ny\nz\n'),
  ),
  edits(
    'a swap',
    'left = a;\nright = b;\n',
    [
      { oldText: 'left = a', newText: 'left = b' },
      { oldText: 'right = b', newText: 'right = a' },
    ],
    is('left = b;\nright = a;\n'),
  ),
  edits(
    'with crlf',
    'a1\r\nb1\r\nc1\r\n',
    [
      { oldText: 'a1\n', newText: '' },
      { oldText: 'c1', newText: 'c1\nd1' },
    ],
    is('b1\r\nc1\r\nd1\r\n'),
  ),
  edits(
    'everything deleted by two',
    'a1\nb1\n',
    [
      { oldText: 'a1\n', newText: '' },
      { oldText: 'b1\n', newText: '' },
    ],
    is(''),
  ),
  edits(
    'one exact, one by indentation',
    'a1 {\n\tb1\n}\n',
    [
      { oldText: 'a1', newText: 'A1' },
      { oldText: '  b1\n', newText: '  B1\n' },
    ],
    is('A1 {\n\tB1\n}\n'),
  ),
  edits(
    'one of them is empty',
    abc,
    [
      { oldText: 'one', newText: '1' },
      { oldText: '', newText: 'q' },
    ],
    no('empty'),
  ),
  edits('no edits', abc, [], is(abc)),

  edit('NUL in the file', Buffer.from('a\0b\n'), 'a', 'b', no('binary')),
  edit('Latin-1', Buffer.from('caf\xe9 = 1\n', 'latin1'), '= 1', '= 2', no('encoding')),
  edit('a UTF-8 sequence cut off', Buffer.from([0x61, 0xe2, 0x82]), 'a', 'b', no('encoding')),
  edit('an overlong UTF-8 sequence', Buffer.from([0x61, 0xc0, 0xaf]), 'a', 'b', no('encoding')),
  edit('a surrogate in UTF-8', Buffer.from([0x61, 0xed, 0xa0, 0x80]), 'a', 'b', no('encoding')),
  edit('UTF-16 of odd length', Buffer.from([0xff, 0xfe, 0x61, 0x00, 0x62]), 'a', 'b', no('encoding')),
  edit('UTF-16 with half a pair', Buffer.from([0xff, 0xfe, 0x61, 0x00, 0x3d, 0xd8]), 'a', 'b', no('encoding')),
  edit('UTF-16 without mark', Buffer.from('abc\n', 'utf16le'), 'a', 'b', no('binary')),
  edit('UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), 'a', 'b', no('binary')),
  edit('two byte order marks, one is text', '\ufeff\ufeffabc\n', 'abc', 'abd', is('\ufeff\ufeffabd\n')),
  edit('the mark is not part of the first line', '\ufeffabc\n', 'abc\n', 'x\nabc\n', is('\ufeffx\nabc\n')),
  edit('a mark alone', '\ufeff', 'a', 'b', no('not-found')),
  edit(
    'UTF-16 all deleted keeps its mark',
    Buffer.from('\ufeffabc', 'utf16le'),
    'abc',
    '',
    is(Buffer.from([0xff, 0xfe])),
  ),
  edit(
    'an emoji in UTF-16',
    Buffer.from('\ufeffx 👍\n', 'utf16le'),
    '👍',
    '👎',
    is(Buffer.from('\ufeffx 👎\n', 'utf16le')),
  ),
];
