/** A promise together with its resolving functions, for something that may never happen. */
export interface Gate<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Creates a gate whose rejection is never unhandled. */
export function newGate<T>(): Gate<T> {
  const gate = Promise.withResolvers<T>();
  // Attach a handler, because nothing may be awaiting the promise when it is rejected.
  gate.promise.catch(() => undefined);
  return gate;
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
