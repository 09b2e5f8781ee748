/** A promise together with its resolving functions, for something that may never happen. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Creates a deferred whose rejection is never unhandled. */
export function newDeferred<T>(): Deferred<T> {
  const deferred = Promise.withResolvers<T>();
  // Attach a handler, because nothing may be awaiting the promise when it is rejected.
  deferred.promise.catch(() => undefined);
  return deferred;
}

/** Awaits the promise, or rejects with the signal's reason if the signal is aborted first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
