import fs from 'node:fs';
import os from 'node:os';

/**
 * Removes the process functions that Node's permission model does not cover: signals to other processes and their
 * priority. This is only the first barrier: a program that has reached JavaScript is contained by the isolation of the
 * operating system.
 *
 * @returns whether the permission model also denies this process the network
 * @throws Error if the permission model is not in force or grants too much
 */
export function lockDown(): boolean {
  const { permission } = process;
  const granted = permission && ['fs.write', 'child', 'worker'].filter((right) => permission.has(right));
  if (!granted || granted.length > 0) {
    throw new Error(`this process has too many permissions: ${granted?.join(', ') ?? 'no permission model'}`);
  }
  if (process.getBuiltinModule('node:sqlite')) {
    throw new Error(
      'this process has too many permissions: node:sqlite opens files regardless of the permission model',
    );
  }
  for (const name of ['kill', '_kill', '_debugProcess', '_debugEnd', '_startProfilerIdleNotifier', 'dlopen']) {
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  }
  // Variables that the shell or the isolation (`wall.ts`) has set.
  for (const name of Object.keys(process.env)) delete process.env[name];
  // Pyodide reads only the constants of fs through `process.binding`, which the permission model denies.
  const binding = () => ({ fs: fs.constants });
  Object.defineProperty(process, 'binding', { value: binding, writable: false, configurable: false });
  os.setPriority = () => {};
  return process.allowedNodeEnvironmentFlags.has('--allow-net') && !permission.has('net');
}
