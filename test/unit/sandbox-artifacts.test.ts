import { setImmediate as tick } from 'node:timers/promises';
import tar from 'tar-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { ArtifactReader } from '../../server/src/sandbox/docker/ending.ts';
import { uncaughtErrors } from '../support/uncaught.ts';

async function archiveOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files)) pack.entry({ name }, text);
  pack.finalize();
  const parts: Uint8Array[] = [];
  for await (const part of pack) if (part instanceof Uint8Array) parts.push(part);
  return Buffer.concat(parts);
}

/** Returns the result of reading bytes that arrive in pieces of a size. */
async function read(bytes: Buffer, pieceBytes = bytes.length): Promise<ArtifactReader> {
  const reader = new ArtifactReader();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.write(bytes.subarray(at, at + pieceBytes));
    await tick();
  }
  reader.end();
  await reader.done;
  reader.stop();
  await tick();
  return reader;
}

describe('the archive of what a program made', () => {
  const uncaught = uncaughtErrors();
  afterEach(() => expect(uncaught).toEqual([]));

  it('the archive of artifacts is read completely', async () => {
    const { artifacts, truncated } = await read(
      await archiveOf({ './a.txt': 'one', 'sub/b.txt': 'two'.repeat(500) }),
      7,
    );
    expect(artifacts.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['a.txt', 3],
      ['sub/b.txt', 1500],
    ]);
    expect(truncated).toBe(false);
  });

  it('a truncated archive of artifacts gives its complete files and is marked as truncated', async () => {
    const archive = await archiveOf({ a: 'one', b: 'two'.repeat(700), c: 'x'.repeat(512) });
    for (const pieceBytes of [archive.length, 300]) {
      for (let at = 0; at < archive.length - 1024; at += 100) {
        const { artifacts, truncated } = await read(archive.subarray(0, at), pieceBytes);
        const ends = [512 + 512, 1024 + 512 + 2100];
        expect(artifacts.length).toBeLessThanOrEqual(ends.filter((end) => end <= at).length + 1);
        for (const { path, bytes } of artifacts) expect([path, bytes]).toEqual([path, { a: 3, b: 2100, c: 512 }[path]]);
        if (at % 512 !== 0) expect(truncated).toBe(true);
      }
    }
  });

  it('an archive of random bytes is not an error', async () => {
    for (const noise of ['x'.repeat(5000), '\0'.repeat(5000), `a${'\xff'.repeat(600)}`])
      expect((await read(Buffer.from(noise, 'latin1'))).artifacts).toEqual([]);
  });
});
