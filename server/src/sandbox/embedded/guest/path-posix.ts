import path from './path.ts';

/* `node:path/posix`, which is the same as `node:path` here. */

export * from './path.ts';
export default path;
