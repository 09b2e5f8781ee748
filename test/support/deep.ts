/**
 * Whether the long lists run whole, as `npm run test:deep` does. Otherwise a fixed share of each runs, so that a
 * failure repeats and `npm test` stays short.
 */
export const isDeep = process.env['DEVLM_TEST_DEEP'] === '1';

/** Returns every `every`-th item of a list, beginning at `first`; in a deep run the whole list. */
export function share<T>(list: readonly T[], every: number, first = 0): readonly T[] {
  return isDeep ? list : list.filter((_, index) => index % every === first % every);
}

/** Returns the number of cases to run: `usual`, or in a deep run `deep`. */
export function cases(usual: number, deep: number): number {
  return isDeep ? deep : usual;
}

/** Registers tests that only a deep run has. */
export function onlyDeep(register: () => void): void {
  if (isDeep) register();
}

/**
 * Returns a function that registers every `every`-th of the tests that it is given, beginning at `first`; in a deep
 * run each of them. Tests that several adapters pass can be spread over them by giving each another `first`.
 */
export function inTurn(every: number, first = 0): (register: () => void) => void {
  let index = 0;
  return (register) => {
    if (isDeep || index % every === first % every) register();
    index++;
  };
}
