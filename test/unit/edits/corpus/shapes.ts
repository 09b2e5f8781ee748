import { type Case, edit, is } from '../case.ts';

/* Every way to store a text, combined with every kind of edit: the bytes outside the edit never change. */

const bom = (encoding: BufferEncoding) => (text: string) => Buffer.from(`\ufeff${text}`, encoding);
const big = (text: string) => bom('utf16le')(text).swap16();

const shapes: readonly (readonly [name: string, stored: (text: string) => string | Uint8Array])[] = [
  ['LF', (text) => text],
  ['CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['CR', (text) => text.replaceAll('\n', '\r')],
  ['no final newline', (text) => text.slice(0, -1)],
  ['UTF-8 with BOM and CRLF', (text) => bom('utf8')(text.replaceAll('\n', '\r\n'))],
  ['UTF-16LE', bom('utf16le')],
  ['UTF-16LE with CRLF', (text) => bom('utf16le')(text.replaceAll('\n', '\r\n'))],
  ['UTF-16BE', big],
];

/** A text, the request, and the text afterwards, all with LF. */
const asked: readonly (readonly [name: string, before: string, oldText: string, newText: string, after: string])[] = [
  ['a word', 'one = 1\ntwo = 2\nend\n', 'two = 2', 'two = 22', 'one = 1\ntwo = 22\nend\n'],
  ['a line more', 'one é\ntwo\nend\n', 'one é\n', 'one é\nhalf 👍\n', 'one é\nhalf 👍\ntwo\nend\n'],
  ['a line less', 'one\ntwo\nend\n', 'two\n', '', 'one\nend\n'],
  ['the first line', 'one\ntwo\nend\n', 'one\n', 'uno\ndos\n', 'uno\ndos\ntwo\nend\n'],
  ['two lines joined', 'one\ntwo\nthree\nend\n', 'one\ntwo', 'one two', 'one two\nthree\nend\n'],
  ['a line split', 'one two\nthree\nend\n', 'one two', 'one\ntwo', 'one\ntwo\nthree\nend\n'],
  [
    'by indentation',
    'if:\n\tcall(1)\n\tcall(2)\nend\n',
    '  call(1)\n  call(2)\n',
    '  call(1)\n  call(3)\n',
    'if:\n\tcall(1)\n\tcall(3)\nend\n',
  ],
  ['the last line', 'one\ntwo\nend\n', 'end', 'fin', 'one\ntwo\nfin\n'],
  ['a line after the last', 'one\ntwo\nend\n', 'end', 'end\nfin', 'one\ntwo\nend\nfin\n'],
];

export const shapesCorpus: readonly Case[] = shapes.flatMap(([shape, stored]) =>
  asked.map(([name, before, oldText, newText, after]) =>
    edit(`${shape}: ${name}`, stored(before), oldText, newText, is(stored(after))),
  ),
);
