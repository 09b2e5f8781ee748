import { host } from './host.ts';
import { requireOf } from './require.ts';

/* `node:module`. */

export const createRequire = (base: string | { toString(): string }) =>
  requireOf(String(base).replace(/^file:\/\//, ''));
export const builtinModules: string[] = Array.from(host.builtins());
export const isBuiltin = (name: string): boolean => builtinModules.includes(name.replace(/^node:/, ''));
export default { createRequire, builtinModules, isBuiltin };
