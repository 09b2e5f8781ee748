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
