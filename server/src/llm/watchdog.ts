import { AsyncLocalStorage } from 'node:async_hooks';

/** Callback for the bytes of the calls made inside `run`. It allows one client to serve many calls. */
export const bytesArrived = new AsyncLocalStorage<() => void>();

/**
 * A `fetch` that calls `bytesArrived` for every chunk of the response, so that the caller can tell a slow stream from a
 * dead one. The SDK hides pings; the bytes show them.
 */
export const watchedFetch: typeof fetch = async (input, init) => {
  const onBytes = bytesArrived.getStore();
  const response = await fetch(input, init);
  if (!onBytes) return response;
  onBytes();
  if (!response.body) return response;
  const reader = response.body.getReader();
  // One stream reads the other on demand: a pipe between the two costs twice as much for each chunk.
  const watched = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        onBytes();
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(watched, response);
};

/** Aborts its signal when `touch` has not been called in time. Restartable, with one timer. */
export class Watchdog implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #deadline: number;

  constructor(milliseconds: number, reason: () => Error) {
    this.#deadline = performance.now() + milliseconds;
    // Polling a deadline is cheaper than a new timer for each chunk.
    this.#timer = setInterval(
      () => {
        if (performance.now() < this.#deadline) return;
        clearInterval(this.#timer);
        this.#controller.abort(reason());
      },
      Math.min(1000, Math.max(5, milliseconds / 10)),
    );
  }

  /** Aborts with the reason of the watchdog when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Restarts the timer with the given time, in milliseconds. */
  touch(milliseconds: number): void {
    this.#deadline = performance.now() + milliseconds;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
