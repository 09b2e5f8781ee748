import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';

/** Largest message of a server that is read. */
export const maxMessageBytes = 10 * 1024 * 1024;

/** What a server did that sent a longer one. */
export const tooLarge = `sent a message of more than ${maxMessageBytes / 2 ** 20} MiB`;

/**
 * `fetch` that gives up on a message longer than the bound: the whole body, or one event of a stream.
 * The SDK itself follows redirects within the server's origin alone.
 *
 * @param onTooLarge called when it gave up
 */
export function boundedFetch(onTooLarge: () => void): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!response.body) return response;
    const events = /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(bounded(events, onTooLarge)), { status, statusText, headers });
  };
}

function bounded(
  events: boolean,
  onTooLarge: () => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  /** The last byte that is not a carriage return: an empty line ends an event. */
  let last = 0;
  return new TransformStream({
    transform(chunk, controller) {
      for (const byte of events ? chunk : []) {
        if (byte === 13) continue;
        bytes = byte === 10 && last === 10 ? 0 : bytes + 1;
        last = byte;
      }
      if (!events) bytes += chunk.byteLength;
      if (bytes <= maxMessageBytes) return controller.enqueue(chunk);
      controller.error(new Error(`it ${tooLarge}`));
      onTooLarge();
    },
  });
}
