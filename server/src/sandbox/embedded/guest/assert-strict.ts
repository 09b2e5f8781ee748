import { strict } from './assert.ts';

/* `node:assert/strict`. */

export const { ok, fail, equal, notEqual, deepEqual, notDeepEqual, strictEqual, notStrictEqual, deepStrictEqual } =
  strict;
export const { notDeepStrictEqual, match, doesNotMatch, throws, doesNotThrow, rejects, doesNotReject, ifError } =
  strict;
export const { AssertionError } = strict;
export { strict };
export default strict;
