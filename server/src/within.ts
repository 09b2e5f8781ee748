/** Waits for a promise no longer than the signal lets it. @throws what the promise does; the signal's reason */
export async function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const give = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', give, { once: true });
  try {
    if (signal.aborted) give();
    // Also of one that nobody waits for any more somebody hears how it fails.
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}
