import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';

/** Maximum size of a message from a server, in bytes. */
export const maxMessageBytes = 10 * 1024 * 1024;

/** The failure of a server that sent a larger message, worded to follow the server's name. */
export const tooLarge = `sent a message of more than ${maxMessageBytes / 2 ** 20} MiB`;

/**
 * Returns a `fetch` that fails on a message larger than the maximum: the whole body, or one event of a stream. The SDK
 * itself follows redirects only within the server's origin.
 *
 * @param onTooLarge called when a message was too large
 */
export function boundedFetch(onTooLarge: () => void): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!response.body) return response;
    const isEventStream = /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(bounded(isEventStream, onTooLarge)), { status, statusText, headers });
  };
}

function bounded(
  isEventStream: boolean,
  onTooLarge: () => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  /** The last byte other than a carriage return. An empty line ends an event. */
  let last = 0;
  return new TransformStream({
    transform(chunk, controller) {
      for (const byte of isEventStream ? chunk : []) {
        if (byte === 13) continue;
        bytes = byte === 10 && last === 10 ? 0 : bytes + 1;
        last = byte;
      }
      if (!isEventStream) bytes += chunk.byteLength;
      if (bytes <= maxMessageBytes) return controller.enqueue(chunk);
      controller.error(new Error(`it ${tooLarge}`));
      onTooLarge();
    },
  });
}
