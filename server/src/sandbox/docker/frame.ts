import { commandOf } from '../job.ts';
import { type Boot, languageTable } from '../languages.ts';
import type { Job } from '../sandbox.ts';

/** Matches variables that an interpreter reads when it starts, which a waiting interpreter would miss. */
const readAtStart = /^(PYTHON|NODE_|RUBY|GEM_|BUNDLE_|LD_|LC_|LANG|MALLOC_|UV_|TZ$|PATH$)/;

/** Block size of the archive that the shell boot program reads, in bytes. */
const blockBytes = 65_536;

/** Returns the frame that the boot program of a container reads before the program's own input. */
export function frameOf(job: Job): Buffer {
  const { boot, env: defaultEnv } = languageTable[job.language];
  return boot === 'shell' ? shellFrame(job) : jsonFrame(job, boot, defaultEnv);
}

/** Returns eight hexadecimal digits with the header size in bytes, the JSON header, then the bytes of each file. */
function jsonFrame(job: Job, _boot: Boot, defaultEnv: Readonly<Record<string, string>>): Buffer {
  const needsRestart = Object.entries(job.env).some(
    ([name, value]) => readAtStart.test(name) && defaultEnv[name] !== value,
  );
  const inPlace = job.run.kind === 'entry' && !needsRestart;
  const header = Buffer.from(
    JSON.stringify({
      files: job.files.map(({ path, data }) => [path, data.length]),
      env: job.env,
      command: inPlace ? null : commandOf(job),
      entry: job.run.kind === 'entry' ? job.run.entry : null,
      args: job.run.kind === 'entry' ? job.run.args : [],
    }),
  );
  const size = Buffer.from(header.length.toString(16).padStart(8, '0'));
  return Buffer.concat([size, header, ...job.files.map(({ data }) => data)]);
}

function shellFrame(job: Job): Buffer {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const exports = Object.entries(job.env).map(([name, value]) => `export ${name}=${quote(value)}`);
  const script = Buffer.from([...exports, `exec ${commandOf(job).map(quote).join(' ')}`].join('\n'));
  const archive = tarOf(job);
  return Buffer.concat([Buffer.from(`${script.length} ${archive.length / blockBytes}\n`), script, archive]);
}

/** Returns a tar archive that both busybox and GNU tar read, with names of any length, padded to paddedBytes blocks. */
function tarOf(job: Job): Buffer {
  const parts: Uint8Array[] = [tarHeader('out/', 0, '5')];
  for (const { path, data } of job.files) {
    const name = Buffer.from(path);
    if (name.length > 100) parts.push(tarHeader('././@LongLink', name.length + 1, 'L'), padded(name, name.length + 1));
    parts.push(tarHeader(path, data.length, '0'), padded(data, data.length));
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const paddedBytes = Math.ceil((bytes + 1024) / blockBytes) * blockBytes;
  return Buffer.concat(parts, paddedBytes);
}

function padded(data: Uint8Array, size: number): Buffer {
  return Buffer.concat([data], Math.ceil(size / 512) * 512);
}

function tarHeader(path: string, size: number, type: '0' | '5' | 'L'): Buffer {
  const header = Buffer.alloc(512);
  header.set(Buffer.from(path).subarray(0, 100));
  header.write(type === '5' ? '0000755' : '0000644', 100);
  header.write('0177776', 108);
  header.write('0177776', 116);
  header.write(size.toString(8).padStart(11, '0'), 124);
  header.write('00000000000', 136);
  header.write(`        ${type}`, 148);
  header.write('ustar  ', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
