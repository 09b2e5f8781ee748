import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileCalls } from '../../support/file-calls.ts';
import { workspaceAdapters } from '../../support/workspace-adapters.ts';

const path = 'file.txt';

describe.each(workspaceAdapters)('a file in $name that is not the version that the model knows', ({ open }) => {
  const held: Disposable[] = [];
  let folder: string;
  let file: string;
  let calls: FileCalls;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'devlm-changed-'));
    file = join(folder, path);
    calls = new FileCalls(await open(folder, (one) => held.push(one)));
    await writeFile(file, 'a\nb\n');
    await calls.read(path);
  });
  afterEach(async () => {
    for (const one of held.splice(0)) one[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });
  const change = () => calls.edit(path, [{ oldText: 'a', newText: 'A' }]);

  test('an edit of a changed file is refused, with the difference from what the model wrote', async () => {
    await writeFile(file, 'a\nc\n');
    expect(await change()).toMatchObject({ ok: false, text: expect.stringContaining('The file changed since') });
    await calls.read(path);
    expect(await calls.edit(path, [{ oldText: 'c', newText: 'b' }])).toMatchObject({ ok: true });
    await writeFile(file, 'a\nd\n');
    expect(await change()).toMatchObject({
      ok: false,
      text: expect.stringContaining('What changed:\n@@ line 2 @@\n-b\n+d'),
    });
    expect(await readFile(file, 'utf8')).toBe('a\nd\n');
  });

  test('an edit is refused with the difference if the file changes while the user decides', async () => {
    calls.whileAsked = () => writeFile(file, 'a\nc\n');
    expect(await change()).toMatchObject({
      ok: false,
      text: expect.stringMatching(
        /^Nothing was changed because file\.txt changed in the meantime\..*\n.*\n@@ line 2 @@\n-b\n\+c$/,
      ),
    });
    expect(await readFile(file, 'utf8')).toBe('a\nc\n');
  });

  test('the difference in a refusal contains no credentials', async () => {
    const env = join(folder, '.env');
    await writeFile(env, 'DB_PASSWORD=first-Value-93x\nA=1\n');
    await calls.read('.env');
    calls.whileAsked = () => writeFile(env, 'DB_PASSWORD=other-Value-77q\nA=1\n');
    const { text } = await calls.change([{ path: '.env', edits: [{ oldText: 'A=1', newText: 'A=2' }] }]);
    expect(text).toMatch(/\n-DB_PASSWORD=DEVLM_SECRET_\w+\n\+DB_PASSWORD=DEVLM_SECRET_\w+$/);
  });

  test('an edit is refused if the file was deleted, before or while the user decides', async () => {
    calls.whileAsked = () => rm(file);
    expect(await change()).toMatchObject({ ok: false, text: expect.stringContaining('file.txt was deleted.') });
    expect(await change()).toMatchObject({
      ok: false,
      text: expect.stringContaining('The file was deleted since you'),
    });
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  test('a file is changed if it contains the same bytes again', async () => {
    await writeFile(file, 'a\nc\n');
    await writeFile(file, 'a\nb\n');
    expect(await change()).toMatchObject({ ok: true });
    expect(await readFile(file, 'utf8')).toBe('A\nb\n');
  });
});
