import path from './path.ts';

export * from './path.ts';
export default path;
