import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/*
 * Module that is loaded into a server with `--import`. The content of the file in `DEVLM_TEST_DISK` controls how
 * `datasync` behaves: `held` blocks it until the content changes, `broken` makes it fail.
 */

const file = process.env['DEVLM_TEST_DISK'] ?? '';
const handle = await open(file);
const prototype: FileHandle = Object.getPrototypeOf(handle);
await handle.close();
const { datasync } = prototype;
prototype.datasync = async function (this: FileHandle) {
  while (readFileSync(file, 'utf8') === 'held') await sleep(5);
  if (readFileSync(file, 'utf8') === 'broken')
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
  return datasync.call(this);
};
