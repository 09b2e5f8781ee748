import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyEdit, applyEdits } from '../../../server/src/actions/edits/edit.ts';
import { shownDiff, withHunks } from '../../../server/src/actions/edits/hunks.ts';
import { parsePatch } from '../../../server/src/actions/edits/patch.ts';
import type { Edit } from '../../../server/src/actions/edits/types.ts';
import { FolderWorkspace } from '../../../server/src/workspace/folder/folder-workspace.ts';
import { decodeFile, encodeText } from '../../../server/src/workspace/folder/text.ts';
import type { Workspace } from '../../../server/src/workspace/workspace.ts';
import { cases } from '../../support/deep.ts';
import { FileCalls } from '../../support/file-calls.ts';
import { workspaceAdapters } from '../../support/workspace-adapters.ts';

const held: Disposable[] = [];
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'devlm-properties-'));
});
afterAll(async () => {
  for (const one of held) one[Symbol.dispose]();
  await rm(root, { recursive: true });
});

const pieces = [
  'a',
  'b',
  'c',
  'd',
  'e1',
  'f2',
  'g3',
  ' ',
  '  ',
  '\t',
  '\n',
  '\n',
  '\r\n',
  '\r',
  '“',
  '"',
  'é',
  'e\u0301',
  '👍',
  'if x:',
  '}',
];
const text = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(''));
/** A text and a part of it as a model would write it: line ends as \n, sometimes with another indentation. */
const textAndPart = fc
  .tuple(text, fc.nat(60), fc.nat(30), fc.constantFrom('', ' ', '\t'))
  .map(([file, from, length, indent]) => {
    const part = file.replace(/\r\n?/g, '\n').slice(from % (file.length + 1), (from % (file.length + 1)) + length + 1);
    return [file, indent + part] as const;
  });
const mark = fc.constantFrom(
  ' ',
  '+',
  '-',
  '',
  '@@',
  '@@ -1,2 +1,2 @@',
  '*** Update File: ',
  '*** End of File',
  '\\ No',
  '--- ',
  '+++ ',
);
const section = (body: string) => `*** Begin Patch\n*** Update File: f\n${body}\n*** End Patch`;
const patchText = fc.array(fc.tuple(mark, text).map(([first, rest]) => first + rest)).map((lines) => lines.join('\n'));

const lf = (each: string) => each.replace(/\r\n?/g, '\n');
const lineBefore = (of: string, at: number) => of.slice(of.lastIndexOf('\n', at - 1) + 1, at);

test('an edit changes what it says and nothing else', () => {
  let made = 0;
  fc.assert(
    fc.property(textAndPart, text, fc.boolean(), ([file, oldText], newText, replaceAll) => {
      const result = applyEdit(file, { oldText, newText, replaceAll });
      if (!result.ok) return;
      made++;
      let [from, shift] = [0, 0];
      for (const { start, end, text: written } of result.changes) {
        expect(result.text.slice(from + shift, start + shift)).toBe(file.slice(from, start));
        expect(result.text.slice(start + shift, start + shift + written.length)).toBe(written);
        shift += written.length - (end - start);
        from = end;
      }
      expect(result.text.slice(from + shift)).toBe(file.slice(from));
      if (result.how !== 'exact' || replaceAll) return;
      // Except for line ends, an exact edit equals a replacement of the one place; of indented text, the one that
      // starts a line.
      const [before, part] = [lf(file), lf(oldText)];
      const places = Array.from({ length: before.length }, (_, at) => at).filter((at) => before.startsWith(part, at));
      const starts = places.filter((at) => at === 0 || before[at - 1] === '\n');
      const isLine = /^[ \t]/.test(part) && places.every((at) => /^[ \t]*$/.test(lineBefore(before, at)));
      const [at, ...others] = isLine ? starts : places;
      expect([at === undefined, others]).toEqual([false, []]);
      expect(lf(result.text)).toBe(before.slice(0, at) + lf(newText) + before.slice((at ?? 0) + part.length));
    }),
    { numRuns: 20_000, examples: [[['\r\n\t e1  e1', ' e'], '', false]] },
  );
  expect(made).toBeGreaterThan(100);
});

/** Lines of which many are similar, at several depths. */
const codeLines = fc.array(
  fc
    .tuple(fc.nat(3), fc.constantFrom('', 'a = 1', 'b()', 'if x:', '}', 'c = d', 'end'), fc.nat(60))
    .map(([depth, words, n]) => (words === '' ? '' : '  '.repeat(depth) + words + (n < 20 ? '' : n))),
  { minLength: 4, maxLength: 16 },
);

test('a block remembered with other white space lands where it was, or nowhere', () => {
  let made = 0;
  fc.assert(
    fc.property(codeLines, fc.nat(), fc.nat(5), fc.nat(), fc.nat(3), fc.boolean(), (lines, a, b, c, memory, more) => {
      const from = a % lines.length;
      const old = lines.slice(from, from + b + 1);
      const changed = c % old.length;
      if (old[changed] === '') return;
      const indent = /^ */.exec(old[changed] ?? '')?.[0] ?? '';
      const next = old.toSpliced(changed, 1, `${indent}NEW`, ...(more ? [`${indent}MORE`] : []));
      const depth = Math.min(...old.filter(Boolean).map((line) => line.length - line.trimStart().length));
      const remembered = (line: string) => [line, line && `    ${line}`, line.slice(depth), `${line} `][memory] ?? line;
      const asText = (all: readonly string[]) => all.map((line) => `${line}\n`).join('');
      const oldText = asText(old.map(remembered));
      // Text that matches exactly is the intended one, wherever it was taken from.
      if (memory !== 0 && old.map(remembered).some((line) => line.trim() !== '' && lines.includes(line))) return;
      const newText = asText(next.map((line) => (memory === 3 ? line : remembered(line))));
      const result = applyEdit(asText(lines), { oldText, newText });
      if (!result.ok) return;
      made++;
      // A line that stays keeps its bytes. The text differs only where the edit said so.
      const right = asText(lines.toSpliced(from, old.length, ...next));
      expect(result.text).toBe(right);
    }),
    { numRuns: 4000 },
  );
  expect(made).toBeGreaterThan(500);
});

/** Returns the text of bytes as a folder of the server reads them. */
function textOf(bytes: Buffer) {
  const file = decodeFile(bytes);
  if (file.kind !== 'text') throw new Error(`not text: ${JSON.stringify(file)}`);
  return file;
}

/** Makes the edits that are not refused, and returns the bytes that the file had before each of them. */
async function editInSteps(
  { file, workspace }: Lent,
  encoding: string,
  edits: readonly Edit[],
  cuts: readonly (readonly [number, number])[],
): Promise<Buffer[]> {
  const calls = new FileCalls(workspace);
  await calls.read('f');
  const images: Buffer[] = [];
  for (const [index, each] of edits.entries()) {
    const before = await readFile(file);
    const { text: now, hash } = textOf(before);
    const [from, length] = cuts[index] ?? [0, 0];
    const oldText = now.slice(from, from + length + 1);
    const { ok, details } = await calls.edit('f', [{ ...each, oldText }]);
    if (!ok) {
      expect(await readFile(file)).toEqual(before);
      continue;
    }
    expect(details?.changes).toMatchObject([{ path: 'f', before: hash, encoding }]);
    expect(calls.text(hash)).toBe(now);
    images.push(before);
  }
  return images;
}

/** Restores earlier bytes of a file through the hunks of the difference, as when the user rejects a change. */
async function undo({ file, workspace }: Lent, image: Buffer): Promise<void> {
  const after = textOf(await readFile(file));
  const hunks = hunksOf(after.text, textOf(image).text);
  const undone = withHunks(after.text, hunks, new Set(hunks.keys()));
  await workspace.apply([{ path: 'f', base: after.hash, text: undone }], new AbortController().signal);
  expect(await readFile(file)).toEqual(image);
}

interface Lent {
  readonly file: string;
  readonly workspace: Workspace;
}

test('sequences of edits with before-images undo to the exact bytes', async () => {
  const lent = new Map<string, Lent>();
  for (const { name, open } of workspaceAdapters) {
    const folder = await mkdtemp(join(root, 'undo-'));
    lent.set(name, { file: join(folder, 'f'), workspace: await open(folder, (one) => held.push(one)) });
  }
  const asked: fc.Arbitrary<Edit> = fc.record({ oldText: text, newText: text, replaceAll: fc.boolean() });
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...lent.keys()),
      text,
      fc.constantFrom('utf8bom', 'utf16le', 'utf16be'),
      fc.array(asked, { minLength: 1, maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(40), fc.nat(10)), { minLength: 8, maxLength: 8 }),
      async (adapter, content, encoding, edits, cuts) => {
        const [one, first] = [lent.get(adapter), encodeText(content, encoding)];
        if (!one || !first) throw new Error('it cannot be stored');
        await writeFile(one.file, first);
        const images = await editInSteps(one, encoding, edits, cuts);
        for (const image of images.toReversed()) await undo(one, image);
        expect(await readFile(one.file)).toEqual(first);
        steps += images.length;
      },
    ),
    { numRuns: cases(60, 200) },
  );
  expect(steps).toBeGreaterThan(cases(20, 100));
}, 60_000);

test('any accepted hunks, and all or none of them, give exact texts', () => {
  fc.assert(
    fc.property(text, text, fc.nat(), (before, after, bits) => {
      const hunks = hunksOf(before, after);
      expect(withHunks(before, hunks, new Set())).toBe(before);
      expect(withHunks(before, hunks, new Set(hunks.keys()))).toBe(after);
      const some = new Set([...hunks.keys()].filter((index) => (bits >> (index % 31)) & 1));
      const rest = hunks.filter((_, index) => !some.has(index));
      // Accepting some and then the others equals accepting all; rejected ones are unchanged before.
      let expected = '';
      let line = 0;
      const lines = before.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g) ?? [];
      for (const [index, hunk] of hunks.entries()) {
        while (line < hunk.line) expected += lines[line++] ?? '';
        expected += some.has(index) ? hunk.after : hunk.before;
        line += hunk.before.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g)?.length ?? 0;
      }
      expected += lines.slice(line).join('');
      expect(withHunks(before, hunks, some)).toBe(expected);
      if (rest.length === 0) expect(expected).toBe(after);
    }),
    { numRuns: 800 },
  );
});

test('bytes that are text come back as they were, and no bytes throw', () => {
  let accepted = 0;
  const marks = fc.constantFrom([], [0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]);
  const rest = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'binary', maxLength: 20 }).map((each) => new Uint8Array(Buffer.from(each, 'utf8'))),
    fc.string({ unit: 'binary', maxLength: 20 }).map((each) => new Uint8Array(Buffer.from(each, 'utf16le'))),
  );
  fc.assert(
    fc.property(marks, rest, (first, more) => {
      const bytes = Buffer.from([...first, ...more]);
      const file = decodeFile(bytes);
      if (file.kind !== 'text') return;
      accepted++;
      expect(encodeText(file.text, file.encoding)).toEqual(bytes);
    }),
    { numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(200);
});

test('nothing that is given as edits or as a patch throws', async () => {
  const wild = fc.oneof(text, fc.string({ unit: 'binary', maxLength: 30 }));
  const any: fc.Arbitrary<Edit> = fc.record({
    oldText: wild,
    newText: wild,
    replaceAll: fc.boolean(),
    startLine: fc.integer({ min: -2, max: 9 }),
    wholeLines: fc.boolean(),
    within: fc.array(text, { maxLength: 2 }),
    atEnd: fc.boolean(),
  });
  const calls = new FileCalls(new FolderWorkspace(root));
  let made = 0;
  await fc.assert(
    fc.asyncProperty(wild, fc.array(any, { maxLength: 4 }), patchText, fc.nat(), async (file, edits, body, at) => {
      const result = applyEdits(file, edits);
      if (result.ok) shownDiff(file, result.text);
      const lines = lf(file).split('\n');
      const hunk = `@@\n-${lines[at % lines.length]}\n${body.replace(/^/gm, '+')}`;
      for (const patch of [body, section(body), section(hunk), `--- f\n+++ f\n${body}`]) {
        // A call waits for the disk, so not every patch is applied.
        if (!parsePatch(patch).ok || at % 8 !== 0) continue;
        await writeFile(join(root, 'f'), file.toWellFormed());
        await calls.read('f');
        if ((await calls.patch(patch)).ok) made++;
      }
    }),
    { numRuns: 800 },
  );
  expect(made).toBeGreaterThan(30);
});

test('repetitive texts take bounded time', () => {
  const texts = ['a', 'ab', 'x\n', '  x\n', '}\n', 'x\r\n', '“x”\n', 'é\n', 'x\n\n'].map((part) => part.repeat(60_000));
  for (const file of texts) {
    for (const oldText of [
      file.slice(0, 400),
      `${file.slice(0, 3000)}!`,
      `!${file.slice(0, 3000)}\n`,
      '"x"\n'.repeat(300),
      `x\n${'y\n'.repeat(300)}`,
    ]) {
      const from = performance.now();
      applyEdit(file, { oldText, newText: `${oldText}z\n` });
      applyEdit(file, { oldText, newText: `z\n${oldText}`, replaceAll: true });
      applyEdit(file, { oldText, newText: 'z\n', within: ['x'], wholeLines: true });
      // Tens of milliseconds on an idle machine; a quadratic search takes minutes.
      expect(performance.now() - from).toBeLessThan(3000);
    }
  }
}, 60_000);
