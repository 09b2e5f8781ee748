import { areaOf } from '../parity.ts';

const head = `import fs from 'node:fs'; const dir = fs.mkdtempSync('/tmp/parity-'); process.chdir(dir);
const said = (act) => { try { console.log(act()); } catch (error) { console.log(error.code, error.syscall, error.errno, error.message.replaceAll(dir, '')); } };
`;

/** Programs about `fs`. */
export const filesArea = areaOf(
  'fs',
  {
    'write, append and read': `${head} fs.writeFileSync('a.txt', 'one'); fs.appendFileSync('a.txt', '\\ntwo'); console.log(fs.readFileSync('a.txt', 'utf8'), fs.readFileSync('a.txt').length, fs.readFileSync('a.txt', { encoding: 'hex' }));`,
    'buffers and typed arrays': `${head} fs.writeFileSync('b', Buffer.from([0, 255])); fs.writeFileSync('c', new Uint16Array([1])); console.log(fs.readFileSync('b'), fs.readFileSync('c'));`,
    'missing files': `${head} said(() => fs.readFileSync('none')); said(() => fs.statSync('none')); said(() => fs.readdirSync('none')); said(() => fs.unlinkSync('none')); said(() => fs.existsSync('none')); said(() => fs.accessSync('none')); said(() => fs.rmSync('none')); said(() => fs.rmSync('none', { force: true }));`,
    folders: `${head} said(() => fs.mkdirSync('x/y/z', { recursive: true })?.replace(dir, '')); said(() => fs.mkdirSync('x')); said(() => fs.mkdirSync('p/q')); fs.writeFileSync('x/f', ''); console.log(fs.readdirSync('x'), fs.readdirSync('.', { recursive: true }).sort());`,
    'folders in place of files': `${head} fs.mkdirSync('d'); said(() => fs.readFileSync('d')); said(() => fs.writeFileSync('d', '')); fs.writeFileSync('f', ''); said(() => fs.readdirSync('f')); said(() => fs.readFileSync('f/x')); said(() => fs.rmSync('d')); said(() => fs.unlinkSync('d'));`,
    'removing folders': `${head} fs.mkdirSync('d/e', { recursive: true }); said(() => fs.rmdirSync('d')); fs.rmSync('d', { recursive: true }); console.log(fs.existsSync('d'));`,
    'entries with types': `${head} fs.mkdirSync('d'); fs.writeFileSync('f', 'x'); console.log(fs.readdirSync('.', { withFileTypes: true }).map((entry) => [entry.name, entry.isFile(), entry.isDirectory(), entry.parentPath.replace(dir, '')]));`,
    stat: `${head} fs.writeFileSync('f', 'abc'); const stat = fs.statSync('f'); console.log(stat.size, stat.isFile(), stat.isDirectory(), stat.mtime instanceof Date, typeof stat.mtimeMs, stat.isSymbolicLink(), stat.isFIFO(), fs.statSync('no', { throwIfNoEntry: false }));`,
    'rename and copy': `${head} fs.writeFileSync('a', '1'); fs.renameSync('a', 'b'); fs.copyFileSync('b', 'c'); console.log(fs.readdirSync('.')); said(() => fs.renameSync('none', 'x')); said(() => fs.copyFileSync('none', 'x')); said(() => fs.copyFileSync('b', 'c', fs.constants.COPYFILE_EXCL));`,
    'copies of folders': `${head} fs.mkdirSync('d/e', { recursive: true }); fs.writeFileSync('d/e/f', 'x'); fs.cpSync('d', 'g', { recursive: true }); console.log(fs.readFileSync('g/e/f', 'utf8'));`,
    'file descriptors': `${head} const fd = fs.openSync('f', 'w'); fs.writeSync(fd, 'hello'); fs.writeSync(fd, Buffer.from('world'), 1, 2); fs.closeSync(fd); const back = fs.openSync('f', 'r'); const data = Buffer.alloc(4); console.log(fs.readSync(back, data, 0, 4, null), data.toString(), fs.readSync(back, data), data.toString(), fs.readSync(back, data, 0, 2, 0), data.toString()); fs.closeSync(back); said(() => fs.closeSync(back));`,
    'fstat, ftruncate and writes at a position': `${head} const fd = fs.openSync('f', 'w+'); fs.writeSync(fd, 'abcdef'); fs.writeSync(fd, 'XY', 2); console.log(fs.fstatSync(fd).size); fs.ftruncateSync(fd, 3); fs.closeSync(fd); console.log(fs.readFileSync('f', 'utf8')); fs.truncateSync('f', 1); console.log(fs.readFileSync('f', 'utf8'));`,
    flags: `${head} fs.writeFileSync('f', 'a'); said(() => fs.writeFileSync('f', 'b', { flag: 'wx' })); fs.writeFileSync('f', 'c', { flag: 'a' }); said(() => fs.readFileSync('f', 'latin1')); said(() => fs.openSync('none', 'r+'));`,
    callbacks: `${head} await new Promise((done) => fs.writeFile('f', 'x', (error) => { console.log(error); fs.readFile('f', 'utf8', (failed, text) => { console.log(failed, text); done(); }); })); await new Promise((done) => fs.readFile('none', (error, data) => { console.log(error.code, data); done(); })); await new Promise((done) => fs.stat('f', (error, stat) => { console.log(stat.isFile()); done(); })); await new Promise((done) => fs.exists?.('f', (found) => { console.log(found); done(); }));`,
    'callbacks come later': `${head} const order = []; await new Promise((done) => { fs.readdir('.', () => { order.push('callback'); done(); }); order.push('after'); }); console.log(order);`,
    promises: `import { mkdtemp, readFile, writeFile, readdir, mkdir, rm, stat } from 'node:fs/promises'; const dir = await mkdtemp('/tmp/parity-'); await writeFile(dir + '/f', 'x'); console.log(await readFile(dir + '/f', 'utf8'), await readdir(dir), (await stat(dir)).isDirectory()); await mkdir(dir + '/a/b', { recursive: true }); await rm(dir + '/a', { recursive: true }); await readFile(dir + '/none').catch((error) => console.log(error.code, error.syscall, error instanceof Error));`,
    'file handles': `import { open, mkdtemp } from 'node:fs/promises'; const dir = await mkdtemp('/tmp/parity-'); const file = await open(dir + '/f', 'w'); await file.writeFile('lines\\nof text\\n'); await file.close(); const back = await open(dir + '/f'); for await (const line of back.readLines()) console.log(line);`,
    links: `${head} fs.writeFileSync('f', 'x'); fs.symlinkSync('f', 'l'); console.log(fs.readFileSync('l', 'utf8'), fs.lstatSync('l').isSymbolicLink(), fs.readlinkSync('l'));`,
    'paths as URL and Buffer': `${head} import { pathToFileURL } from 'node:url'; fs.writeFileSync(pathToFileURL(dir + '/a b'), 'x'); console.log(fs.readFileSync(Buffer.from(dir + '/a b'), 'utf8'), fs.realpathSync('.').replace(dir, 'dir'));`,
    'wrong arguments': `${head} said(() => fs.readFileSync(undefined)); said(() => fs.writeFileSync('f', 5)); said(() => fs.readFileSync('f', 'nope')); said(() => fs.readFile('f'));`,
    streams: `${head} import { pipeline } from 'node:stream/promises'; fs.writeFileSync('f', 'streamed'); await pipeline(fs.createReadStream('f'), fs.createWriteStream('g')); console.log(fs.readFileSync('g', 'utf8'));`,
    constants: `${head} console.log(fs.constants.F_OK, fs.constants.R_OK, fs.constants.O_RDONLY, fs.constants.S_IFDIR);`,
    'times and modes': `${head} fs.writeFileSync('f', ''); fs.utimesSync('f', 1, 2); fs.chmodSync('f', 0o600); console.log(fs.statSync('f').mtimeMs, (fs.statSync('f').mode & 0o777).toString(8));`,
  },
  [
    { name: 'an uncaught error of a missing file', source: `import fs from 'node:fs'; fs.readFileSync('/tmp/none');` },
    {
      name: 'standard input as a file',
      source: `import fs from 'node:fs'; console.log(fs.readFileSync(0, 'utf8').split('\\n')); console.log(fs.readFileSync('/dev/stdin', 'utf8'));`,
      stdin: 'a\nb\n',
    },
  ],
);
