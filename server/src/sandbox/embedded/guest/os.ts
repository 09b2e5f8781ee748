/* `node:os`, with fixed values that reveal nothing about the machine. */

export const EOL = '\n';
export const platform = (): string => 'linux';
export const type = (): string => 'Linux';
export const arch = (): string => 'wasm32';
export const hostname = (): string => 'sandbox';
export const homedir = (): string => '/sandbox';
export const tmpdir = (): string => '/tmp';
export const cpus = (): unknown[] => [{ model: 'wasm', speed: 0 }];
export const availableParallelism = (): number => 1;
export const totalmem = (): number => 0;
export const freemem = (): number => 0;
export const uptime = (): number => 0;
export const release = (): string => '';
export const networkInterfaces = (): object => ({});
export const userInfo = (): object => ({
  username: 'sandbox',
  uid: 65534,
  gid: 65534,
  homedir: '/sandbox',
  shell: null,
});
export default {
  EOL,
  platform,
  type,
  arch,
  hostname,
  homedir,
  tmpdir,
  cpus,
  availableParallelism,
  totalmem,
  freemem,
  uptime,
  release,
  networkInterfaces,
  userInfo,
};
