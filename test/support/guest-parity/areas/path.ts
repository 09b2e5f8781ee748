import { areaOf } from '../parity.ts';

const head = `import path from 'node:path';`;

/** Programs about `path`. */
export const pathArea = areaOf('path', {
  'join and normalize': `${head} console.log(path.join('a', '..', '/b', './c', ''), path.join(), path.join('', ''), path.normalize('/a//b/../c/.'), path.normalize('../../a'), path.normalize('a/../..'), path.normalize(''), path.normalize('/..'), path.normalize('./a/'));`,
  'resolve and relative': `${head} console.log(path.resolve('/a', 'b', '../c'), path.resolve('/a', '/b'), path.relative('/a/b/c', '/a/d'), path.relative('/a', '/a') === '', path.relative('/a/b', '/a/bc'), path.resolve('x') === process.cwd() + '/x');`,
  'dirname, basename and extname': `${head}
    for (const name of ['/a/b.txt', 'a', '/', '', 'a/b/', '.bashrc', 'a.b.c', '/a/.b', 'a.', '..', '//a'])
      console.log(JSON.stringify([name, path.dirname(name), path.basename(name), path.extname(name), path.basename(name, '.txt')]));`,
  'parse and format': `${head}
    for (const name of ['/home/u/file.txt', 'file', '/', './a/b', '/a', '..', 'a/']) console.log(path.parse(name));
    console.log(path.format({ dir: '/a', base: 'b.c' }), path.format({ root: '/', name: 'f', ext: 'txt' }), path.format({ name: 'a', ext: '.b' }), path.format({ root: '/', dir: '/', base: 'x' }));`,
  'constants and posix': `${head} console.log(path.sep, path.delimiter, path.posix === path, path.isAbsolute('/a'), path.isAbsolute('a'), path.toNamespacedPath('/a'));`,
  'paths of Windows': `${head} console.log(path.win32.join('a', 'b'), path.win32.basename('C:\\\\x\\\\y.txt'), path.win32.parse('C:\\\\a\\\\b.c').root);`,
  'wrong arguments': `${head} for (const act of [() => path.join(5), () => path.basename(undefined), () => path.resolve(null), () => path.parse({}), () => path.format('x')]) try { act(); } catch (error) { console.log(error.name, error.code, error.message); }`,
  matchesGlob: `${head} console.log(path.matchesGlob('a/b.js', 'a/*.js'), path.matchesGlob('a/b.js', '*.js'));`,
  'the modules path/posix and named exports': `import { join, sep } from 'node:path/posix'; import * as all from 'path'; console.log(join('a', 'b'), sep, typeof all.default.join, typeof all.resolve);`,
});
