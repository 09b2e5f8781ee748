import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commonLines } from '@devlm/workspace-core/common-lines.ts';
import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import { lineEndsOf } from '@devlm/workspace-core/line-ends.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyEdit } from '../../../server/src/actions/edits/edit.ts';
import { parsePatch } from '../../../server/src/actions/edits/patch.ts';
import { workspaceAdapters } from '../../support/workspace-adapters.ts';
import { corpus } from './corpus/all.ts';
import { outcomeOf, rightOf } from './outcome.ts';

describe.each(workspaceAdapters)('in $name', ({ open }) => {
  const held: Disposable[] = [];
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'devlm-edits-'));
  });
  afterAll(async () => {
    for (const one of held) one[Symbol.dispose]();
    await rm(root, { recursive: true });
  });

  test.concurrent.each(corpus.map((each, index) => [each.name, each, index] as const))('%s', async (_, each, index) => {
    const folder = join(root, `${index}`);
    const workspace = await open(folder, (one) => held.push(one));
    expect(await outcomeOf(each, folder, workspace)).toEqual(rightOf(each));
  });
});

test('the corpus has at least 300 cases, all different', () => {
  expect(corpus.length).toBeGreaterThanOrEqual(300);
  const asked = corpus.map(({ files, ask }) =>
    JSON.stringify([Object.entries(files).map(([path, content]) => [path, content && Buffer.from(content)]), ask]),
  );
  expect(asked.filter((each, index) => asked.indexOf(each) !== index)).toEqual([]);
  const names = corpus.map(({ name, ask }) => `${typeof ask} ${typeof ask === 'string' && ask.slice(0, 3)} ${name}`);
  expect(names.filter((each, index) => names.indexOf(each) !== index)).toEqual([]);
});

test('a refusal names the lines and shows what is there', () => {
  expect(applyEdit('a\nfoo\nb\nfoo\n', { oldText: 'foo', newText: 'bar' })).toMatchObject({ lines: [2, 4] });
  const near = applyEdit('x\nconst total = sum(items);\n', { oldText: 'const total = sum(item);', newText: 'y' });
  expect(near).toMatchObject({
    code: 'near-miss',
    lines: [2],
    message: expect.stringContaining('const total = sum(items);'),
  });
  expect(parsePatch('*** Begin Patch\n*** Update File: a\n@@\nx\n*** End Patch')).toMatchObject({
    code: 'malformed',
    lines: [4],
  });
  const move = '*** Begin Patch\n*** Update File: a\n*** Move to: b\n@@\n-x\n+y\n*** End Patch';
  expect(parsePatch(move)).toMatchObject({
    lines: [3],
    message: expect.stringContaining('delete the old one'),
  });
});

test('line ends are distinguished', () => {
  const kinds = ['', 'a\n', 'a\r\n', 'a\r', 'a\r\nb\n', 'a\r\r\n', '\n\r'].map(lineEndsOf);
  expect(kinds).toEqual(['none', 'lf', 'crlf', 'cr', 'mixed', 'mixed', 'mixed']);
});

test('two changes far apart in a long file are two hunks', () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => (index % 3 ? `line ${index}` : '}'));
  const before = `${lines.join('\n')}\n`;
  const after = `${lines.with(10, 'ten').with(19_990, 'more').join('\n')}\n`;
  expect(hunksOf(before, after).map(({ line, after: to }) => [line, to])).toEqual([
    [10, 'ten\n'],
    [19_990, 'more\n'],
  ]);
  expect(commonLines(['a', 'x', 'b'], ['a', 'y', 'b'], 0)).toEqual([
    [0, 0],
    [2, 2],
  ]);
});
