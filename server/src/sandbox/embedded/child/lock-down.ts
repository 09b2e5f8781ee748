import fs from 'node:fs';
import os from 'node:os';

/**
 * Refuses to go on where Node's permission model is not in force, and takes away what that model
 * leaves: signals to other processes, and their priority. It is the wall of the operating system that
 * holds a program which has reached JavaScript; this is the fence before it.
 *
 * @returns whether the permission model keeps this process from the network as well
 */
export function lockDown(): boolean {
  const { permission } = process;
  const granted = permission && ['fs.write', 'child', 'worker'].filter((right) => permission.has(right));
  if (!granted || granted.length > 0) {
    throw new Error(`this process has too many rights: ${granted?.join(', ') ?? 'no permission model'}`);
  }
  if (process.getBuiltinModule('node:sqlite')) {
    throw new Error('this process has too many rights: node:sqlite opens files past the permission model');
  }
  for (const name of ['kill', '_kill', '_debugProcess', '_debugEnd', '_startProfilerIdleNotifier', 'dlopen']) {
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  }
  // What a shell or a wall has put there.
  for (const name of Object.keys(process.env)) delete process.env[name];
  // Pyodide asks for the constants of fs, and nothing else, by the old way that the permission model refuses.
  const binding = () => ({ fs: fs.constants });
  Object.defineProperty(process, 'binding', { value: binding, writable: false, configurable: false });
  os.setPriority = () => {};
  return process.allowedNodeEnvironmentFlags.has('--allow-net') && !permission.has('net');
}
