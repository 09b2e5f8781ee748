import { host } from './host.ts';

/* The part of `node:perf_hooks` that programs use most. */

const origin = host.now();
export const performance = {
  timeOrigin: Date.now(),
  now: () => host.now() - origin,
  mark() {},
  measure() {},
};
export default { performance };
