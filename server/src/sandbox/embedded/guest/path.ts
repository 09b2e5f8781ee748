import { cwd } from './state.ts';

export const sep = '/';
export const delimiter = ':';

export function normalize(path: string): string {
  const absolute = path.startsWith('/');
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.length > 0 && names.at(-1) !== '..') names.pop();
    else if (!absolute) names.push('..');
  }
  const joined = names.join('/') + (path.endsWith('/') && names.length > 0 ? '/' : '');
  return (absolute ? '/' : '') + joined || (absolute ? '/' : '.');
}
export const join = (...paths: string[]): string => normalize(paths.filter((path) => path !== '').join('/'));
export const isAbsolute = (path: string): boolean => path.startsWith('/');
export function resolve(...paths: string[]): string {
  let whole = '';
  for (const path of [cwd(), ...paths]) if (path !== '') whole = path.startsWith('/') ? path : `${whole}/${path}`;
  return normalize(whole).replace(/(.)\/$/, '$1');
}
export function dirname(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  const at = trimmed.lastIndexOf('/');
  return at > 0 ? trimmed.slice(0, at) : at === 0 || path.startsWith('/') ? '/' : '.';
}
export function basename(path: string, ending = ''): string {
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return ending !== '' && name !== ending && name.endsWith(ending) ? name.slice(0, -ending.length) : name;
}
export function extname(path: string): string {
  const name = basename(path);
  const at = name.lastIndexOf('.');
  return at > 0 ? name.slice(at) : '';
}
export function relative(from: string, to: string): string {
  const a = resolve(from).split('/').filter(Boolean);
  const b = resolve(to).split('/').filter(Boolean);
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
}
export function parse(path: string): { root: string; dir: string; base: string; ext: string; name: string } {
  const base = basename(path);
  const ext = extname(path);
  const root = path.startsWith('/') ? '/' : '';
  const dir = path.includes('/') ? dirname(path) : '';
  return { root, dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
}
export function format(parts: { dir?: string; root?: string; base?: string; name?: string; ext?: string }): string {
  const base = parts.base ?? `${parts.name ?? ''}${parts.ext ?? ''}`;
  const dir = parts.dir ?? parts.root ?? '';
  return dir === '' ? base : dir.endsWith('/') ? dir + base : `${dir}/${base}`;
}
const all = {
  sep,
  delimiter,
  normalize,
  join,
  isAbsolute,
  resolve,
  dirname,
  basename,
  extname,
  relative,
  parse,
  format,
};
export const posix = all;
export default Object.assign(all, { posix: all });
