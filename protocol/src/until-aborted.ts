/**
 * Waits for work that cannot be canceled, at most until the signal aborts.
 *
 * @throws the rejection of the work; the signal's reason
 */
export async function untilAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    // The race also handles a late rejection of the work, which is therefore not reported as unhandled.
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
