/**
 * Whether the long lists run in full, as with `npm run test:deep`. Otherwise a fixed share of each runs, so that
 * failures are reproducible and `npm test` stays short.
 */
export const isDeep = process.env['DEVLM_TEST_DEEP'] === '1';

/** Returns every `every`-th item of a list, starting at index `first`; in a deep run the whole list. */
export function share<T>(list: readonly T[], every: number, first = 0): readonly T[] {
  return isDeep ? list : list.filter((_, index) => index % every === first % every);
}

/** Returns the number of cases to run: `usual`, or in a deep run `deep`. */
export function cases(usual: number, deep: number): number {
  return isDeep ? deep : usual;
}

/** Registers tests in a deep run only. */
export function onlyDeep(register: () => void): void {
  if (isDeep) register();
}

/**
 * Returns a function that registers every `every`-th test that it receives, starting at index `first`; in a deep run
 * every test. Tests of several adapters can be spread over the adapters with a different `first` for each.
 */
export function inTurn(every: number, first = 0): (register: () => void) => void {
  let index = 0;
  return (register) => {
    if (isDeep || index % every === first % every) register();
    index++;
  };
}
