import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockStream } from '../../webview-ui/src/markdown/blocks.ts';
import { lex, toHtml } from '../../webview-ui/src/markdown/render.ts';
import { trickyMarkdown } from '../support/page-markdown.ts';

/** Returns the blocks that marked finds in the whole text: the expected result. */
function whole(text: string): string[] {
  return lex(text, Object.create(null))
    .tokens.filter((token) => token.type !== 'space' && token.type !== 'def')
    .map((token) => toHtml([token]));
}

function streamed(chunks: readonly string[]): string[] {
  const stream = new BlockStream();
  for (const chunk of chunks) stream.append(chunk);
  stream.finish();
  return stream.blocks.map((block) => block.html);
}

function cut(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((value) => value % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => text.slice(start, at[index] ?? text.length));
}

const document = fc
  .array(fc.tuple(fc.constantFrom(...trickyMarkdown), fc.constantFrom('\n\n', '\n', '\r\n\r\n', '\n \n', '\n\n\n')), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.flat().join(''));

test.each(trickyMarkdown.map((text, index) => [index, text] as const))(
  'tricky Markdown that arrives one character at a time has the same blocks as the whole text: %i',
  (_, text) => {
    expect(streamed([...text].flatMap((char) => char.split('')))).toEqual(whole(text));
  },
);

test('a document that arrives in any chunks has the same blocks as the whole document', () => {
  fc.assert(
    fc.property(document, fc.array(fc.nat(), { maxLength: 60 }), (text, cuts) => {
      expect(streamed(cut(text, cuts))).toEqual(whole(text));
    }),
    { numRuns: 1500 },
  );
});

test('Markdown-like noise that arrives in any chunks has the same blocks as the whole text', () => {
  const noise = fc
    .array(
      fc.constantFrom(
        '\n',
        '\n\n',
        ' ',
        '    ',
        '- ',
        '1. ',
        '> ',
        '```',
        '~~~',
        '#',
        '|',
        '--',
        '===',
        '[a]',
        '[a]: /x',
        ' "t',
        '"',
        '<p>',
        '<!--',
        '-->',
        '*',
        'word',
        '\r',
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(noise, fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
      expect(streamed(cut(text, cuts))).toEqual(whole(text));
    }),
    { numRuns: 4000 },
  );
});

test('a frozen block stays the same object while the rest of the text arrives', () => {
  const stream = new BlockStream();
  stream.append('First paragraph.\n\nSecond paragraph.\n\nThird');
  const [first, second] = stream.blocks;
  stream.append(' one goes on.\n\n```ts\nlet a = 1;\n');
  expect(stream.append('let b = 2;\n')).toEqual({ kind: 'code', text: 'let b = 2;\n' });
  expect(stream.blocks[0]).toBe(first);
  expect(stream.blocks[1]).toBe(second);
});

test('a possible closing fence is held back until it is complete', () => {
  const stream = new BlockStream();
  stream.append('```\ncode\n');
  expect(stream.append('``')).toEqual({ kind: 'none' });
  expect(stream.append('` not a fence')).toEqual({ kind: 'code', text: '``` not a fence' });
});
