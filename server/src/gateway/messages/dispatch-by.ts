import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { MessagesFetch } from '../../llm/upstream.ts';

/** Controls a call in progress. The interface is that of undici's controller. */
export interface CallController {
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** Receives the events of a call. The interface is that of undici's dispatch handlers. */
export interface CallHandler {
  onRequestStart(controller: CallController): void;
  onResponseStart(controller: CallController, status: number, headers: IncomingHttpHeaders): void;
  onResponseData(controller: CallController, bytes: Buffer): void;
  onResponseEnd(): void;
  onResponseError(controller: CallController, error: Error): void;
}

interface DispatchRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | null;
}

/** Makes a call with the `fetch` of an instance on another platform and reports it as undici would. Never rejects. */
export async function dispatchBy(send: MessagesFetch, request: DispatchRequest, handler: CallHandler): Promise<void> {
  const { origin, path, method, headers, body } = request;
  const call = new FetchController();
  try {
    handler.onRequestStart(call);
    const init = { method, headers: headerPairs(headers), ...(body ? { body: body.toString() } : {}) };
    const response = await send(origin + path, { ...init, signal: call.signal });
    handler.onResponseStart(call, response.status, Object.fromEntries(response.headers));
    for await (const bytes of response.body ?? []) {
      await call.flowing();
      handler.onResponseData(call, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    }
    call.signal.throwIfAborted();
    handler.onResponseEnd();
  } catch (error) {
    handler.onResponseError(call, error instanceof Error ? error : new Error(String(error)));
  }
}

/** Lets the handler of a call that is made with `fetch` pause and abort it. */
class FetchController implements CallController {
  readonly #ended = new AbortController();
  readonly #events = new EventTarget();
  #paused = false;

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  abort(reason: Error): void {
    this.#ended.abort(reason);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#events.dispatchEvent(new Event('resume'));
  }

  /** Resolves when the call is not paused. @throws the reason of an abort */
  async flowing(): Promise<void> {
    this.signal.throwIfAborted();
    if (this.#paused) await once(this.#events, 'resume', { signal: this.signal });
  }
}

function headerPairs(headers: IncomingHttpHeaders): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : []));
}
