/**
 * Returns a function that runs the work once and shares the result with all callers. After a failure the next call runs
 * it again.
 */
export function remembered<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
