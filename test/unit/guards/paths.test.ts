import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  listConfined,
  readConfined,
  removeConfined,
  writeConfined,
} from '../../../server/src/workspace/folder/paths.ts';
import { pathAttacks, pathPlain } from './path-attacks.ts';

let base: string;
let root: string;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const refusal = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });
const bytes = Buffer.from('new');

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'devlm-paths-'));
  root = join(base, 'workspace');
  await mkdir(join(root, 'a'), { recursive: true });
  await mkdir(join(base, 'outside/folder'), { recursive: true });
  await writeFile(join(base, 'secret.txt'), 'secret');
  await writeFile(join(base, 'outside/secret.txt'), 'secret');
  await writeFile(join(root, 'a/b.txt'), 'inside');
});
afterEach(async () => {
  expect(await readFile(join(base, 'secret.txt'), 'utf8')).toBe('secret');
  expect(await readFile(join(base, 'outside/secret.txt'), 'utf8')).toBe('secret');
  expect((await readdir(join(base, 'outside'))).toSorted()).toEqual(['folder', 'secret.txt']);
  await rm(base, { recursive: true });
});

describe('names', () => {
  test.each(pathAttacks)('the path %j is rejected', async (path) => {
    for (const work of [readConfined, listConfined, removeConfined]) {
      await expect(work(root, path)).rejects.toEqual(refusal('outside_workspace'));
    }
    await expect(writeConfined(root, path, bytes)).rejects.toEqual(refusal('outside_workspace'));
    expect(await readdir(root)).toEqual(['a']);
  });

  test.each(pathPlain)('the path %j is accepted', async (path) => {
    expect(await writeConfined(root, path, bytes)).toBe(hash('new'));
    expect((await readConfined(root, path)).bytes.toString()).toBe('new');
    await removeConfined(root, path);
    await expect(readConfined(root, path)).rejects.toEqual(refusal('not_found'));
  });
});

describe.each([{ anchored: true }, { anchored: false }])('on the disk, $anchored', (means) => {
  const all = (path: string) => [
    () => readConfined(root, path, means),
    () => writeConfined(root, path, bytes, means),
    () => removeConfined(root, path, means),
    () => listConfined(root, path, means),
  ];

  test.each([
    ['a folder outside', 'link', 'outside', 'link/secret.txt'],
    ['a relative way out', 'a/link', '../../outside', 'a/link/secret.txt'],
    ['the root of the disk', 'link', '/', 'link/etc/passwd'],
    ['the parent', 'a/up', '../..', 'a/up/secret.txt'],
    ['a folder beside with the same beginning', 'link', '../workspace-2', 'link/x'],
    ['the memory of this process', 'link', '/proc/self', 'link/environ'],
    ['open files', 'link', '/dev/fd', 'link/0'],
  ])('a link to %s does not lead outside', async (_, at, to, path) => {
    await mkdir(join(base, 'workspace-2'));
    await symlink(to === 'outside' ? join(base, to) : to, join(root, at));
    for (const work of all(path)) await expect(work()).rejects.toEqual(refusal('outside_workspace'));
    await expect(listConfined(root, at, means)).rejects.toEqual(refusal('outside_workspace'));
  });

  test('a link as the file itself, chains of links and loops do not lead outside', async () => {
    await symlink(join(base, 'secret.txt'), join(root, 'file'));
    await symlink('file', join(root, 'chain'));
    await symlink('loop-2', join(root, 'loop-1'));
    await symlink('loop-1', join(root, 'loop-2'));
    await symlink(join(base, 'outside/new.txt'), join(root, 'dangling'));
    await symlink(join(base, 'outside/none'), join(root, 'nowhere'));
    for (const path of ['file', 'chain', 'loop-1', 'dangling']) {
      await expect(readConfined(root, path, means), path).rejects.toEqual(refusal('outside_workspace'));
      await expect(writeConfined(root, path, bytes, means), path).rejects.toEqual(refusal('outside_workspace'));
    }
    await expect(writeConfined(root, 'nowhere/x', bytes, means)).rejects.toEqual(refusal('outside_workspace'));
    // A link can be removed; its target stays (checked after each test).
    await removeConfined(root, 'file', means);
    expect(await readdir(root)).not.toContain('file');
  });

  test('a link inside the workspace can be read through, and a file behind one written', async () => {
    await symlink('a', join(root, 'inner'));
    expect((await readConfined(root, 'inner/b.txt', means)).bytes.toString()).toBe('inside');
    await writeConfined(root, 'inner/b.txt', bytes, means);
    expect(await readFile(join(root, 'a/b.txt'), 'utf8')).toBe('new');
  });

  test('pipes, sockets, devices and folders are rejected immediately', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const server = createServer().listen(join(root, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      for (const path of ['pipe', 'socket', 'a']) {
        await expect(readConfined(root, path, means), path).rejects.toEqual(refusal('not_a_file'));
        await expect(writeConfined(root, path, bytes, means), path).rejects.toEqual(refusal('not_a_file'));
      }
      await expect(removeConfined(root, 'pipe', means)).rejects.toEqual(refusal('not_a_file'));
      await expect(readConfined(root, 'a/b.txt/c', means)).rejects.toEqual(refusal('not_a_file'));
      await expect(readConfined('/dev', 'zero', means)).rejects.toEqual(refusal('not_a_file'));
    } finally {
      server.close();
    }
  });

  test('a write is complete or does nothing, keeps the mode, and leaves no other file', async () => {
    await chmod(join(root, 'a/b.txt'), 0o751);
    await writeConfined(root, 'a/b.txt', bytes, { ...means, expectedHash: hash('inside') });
    expect((await stat(join(root, 'a/b.txt'))).mode & 0o777).toBe(0o751);
    const stale = writeConfined(root, 'a/b.txt', Buffer.from('x'), { ...means, expectedHash: hash('inside') });
    await expect(stale).rejects.toEqual(refusal('file_changed'));
    const there = writeConfined(root, 'a/b.txt', Buffer.from('x'), { ...means, expectedHash: null });
    await expect(there).rejects.toEqual(refusal('file_changed'));
    const gone = writeConfined(root, 'a/c.txt', Buffer.from('x'), { ...means, expectedHash: hash('x') });
    await expect(gone).rejects.toEqual(refusal('file_changed'));
    await writeConfined(root, 'new/folder/c.txt', bytes, { ...means, expectedHash: null });
    await expect(removeConfined(root, 'a/b.txt', { ...means, expectedHash: hash('x') })).rejects.toEqual(
      refusal('file_changed'),
    );
    await expect(removeConfined(root, 'a', means)).rejects.toEqual(refusal('not_empty'));
    expect(await readFile(join(root, 'a/b.txt'), 'utf8')).toBe('new');
    expect(await readdir(join(root, 'a'))).toEqual(['b.txt']);
    expect(await readdir(join(root, 'new/folder'))).toEqual(['c.txt']);
    await expect(readConfined(root, 'a/b.txt', { ...means, maxBytes: 2 })).rejects.toEqual(refusal('file_too_large'));
  });

  test('a file that shares its bytes with one outside is replaced, not written through', async () => {
    await link(join(base, 'secret.txt'), join(root, 'shared'));
    await writeConfined(root, 'shared', bytes, means);
    expect(await readFile(join(root, 'shared'), 'utf8')).toBe('new');
  });

  test('the workspace folder itself is not a file', async () => {
    for (const path of ['', '.', './']) {
      await expect(writeConfined(root, path, bytes, means)).rejects.toEqual(refusal('not_a_file'));
      await expect(removeConfined(root, path, means)).rejects.toEqual(refusal('not_a_file'));
      await expect(readConfined(root, path, means)).rejects.toEqual(refusal('not_a_file'));
      expect(await listConfined(root, path, means)).toEqual([{ name: 'a', kind: 'folder' }]);
    }
  });
});

test('a folder that is swapped for a link again and again never lets anything out or in', async () => {
  const folder = join(root, 'swap');
  await mkdir(folder);
  await writeFile(join(folder, 'secret.txt'), 'inside');
  await symlink(join(base, 'outside'), join(base, 'trap'));
  let stop = false;
  // A write may have created the folder again while it was missing.
  const place = async (from: string) => {
    const moved = () =>
      rename(from, folder).then(
        () => true,
        () => false,
      );
    while (!(await moved())) await rm(folder, { recursive: true, force: true });
  };
  const swapping = (async () => {
    while (!stop) {
      await rename(folder, join(base, 'kept'));
      await place(join(base, 'trap'));
      await rename(folder, join(base, 'trap'));
      await place(join(base, 'kept'));
    }
  })();
  let read = 0;
  let refused = 0;
  try {
    const until = performance.now() + 1000;
    for (let round = 0; performance.now() < until || read === 0 || refused === 0; round++) {
      await readConfined(root, 'swap/secret.txt').then(
        ({ bytes: found }) => {
          expect(found.toString()).not.toBe('secret');
          read++;
        },
        () => refused++,
      );
      // Only the name is created: inside `outside` it would be found after the test.
      await writeConfined(root, `swap/new-${round % 5}`, bytes).catch(() => refused++);
    }
  } finally {
    stop = true;
    await swapping;
  }
  await unlink(join(base, 'trap'));
}, 20_000);
