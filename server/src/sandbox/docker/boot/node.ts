/**
 * Boot program for Node.js. It waits with the interpreter loaded, and with the TypeScript compiler if Node has one.
 * It reads one frame (see frame.ts) and nothing beyond it, writes the files, then runs the entry as `node entry` would.
 */
export const node = String.raw`
const fs = require('node:fs');
const path = require('node:path');
const Module = require('node:module');
if (process.execArgv.includes('--experimental-transform-types')) {
  try { Module.stripTypeScriptTypes('enum A { B }', { mode: 'transform' }); } catch {}
}
const read = (size) => {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const count = fs.readSync(0, bytes, at, size - at, null);
    if (count === 0) process.reallyExit(0);
    at += count;
  }
  return bytes;
};
fs.mkdirSync('out', { recursive: true });
fs.writeSync(1, 'ready\n');
const frame = JSON.parse(read(parseInt(read(8).toString(), 16)).toString());
for (const [name, size] of frame.files) {
  fs.mkdirSync(path.dirname(name), { recursive: true });
  fs.writeFileSync(name, read(size));
}
Object.assign(process.env, frame.env);
if (frame.command) {
  const args = ['-c', 'exec "$0" "$@"', ...frame.command];
  if (process.execve) process.execve('/bin/sh', ['sh', ...args], process.env);
  const { status, signal } = require('node:child_process').spawnSync('/bin/sh', args, { stdio: 'inherit' });
  if (signal) process.kill(process.pid, signal);
  process.reallyExit(status ?? 1);
}
const entry = path.resolve(frame.entry);
process.argv = [process.execPath, entry, ...frame.args];
process.execArgv = process.execArgv.filter((_, i, all) => all[i] !== '-e' && all[i - 1] !== '-e');
delete process._eval;
for (const name of ['module', 'exports', 'require', '__filename', '__dirname']) delete globalThis[name];
setImmediate(Module.runMain, entry);
`;
