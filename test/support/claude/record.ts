import type { IncomingMessage } from 'node:http';
import type { Usage } from '@anthropic-ai/sdk/resources/messages';
import type { MessagesRequest } from './request.ts';

/** A received request and its outcome. */
export interface RecordedRequest {
  readonly requestId: string;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** Headers with redacted credentials. */
  readonly headers: Readonly<Record<string, string>>;
  readonly at: Date;
  /** Port of the client. Requests over the same connection have the same port. */
  readonly port: number | undefined;
  /** The parsed JSON, or the text if it is not JSON. */
  readonly body: unknown;
  /** The body, if it is a valid request for a message. */
  readonly message: MessagesRequest | undefined;
  /** Usage that the answer reports. Only set for a message that is not a raw body. */
  readonly usage: Usage | undefined;
  /** Status of the answer. Undefined while there is none. */
  readonly status: number | undefined;
  /** Whether the client closed the connection before the answer was complete. */
  readonly hungUp: { readonly at: Date; readonly afterMs: number; readonly bytesSent: number } | undefined;
  /** Fulfilled when the answer is complete or the connection is closed. */
  readonly done: Promise<void>;
}

/** A record that can still change. */
export type WritableRecord = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] };

const secret = new Set(['x-api-key', 'authorization', 'x-amz-security-token', 'proxy-authorization', 'cookie']);

/** Returns the headers as a plain object, in lower case, with credentials replaced. */
function redactedHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined) continue;
    headers[name] = secret.has(name) ? '[redacted]' : Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Returns the record of a request of which only the headers have been read. */
export function newRecord(request: IncomingMessage, requestId: string, done: Promise<void>): WritableRecord {
  return {
    requestId,
    method: request.method ?? '',
    path: request.url ?? '',
    headers: redactedHeaders(request),
    at: new Date(),
    port: request.socket.remotePort,
    body: undefined,
    message: undefined,
    usage: undefined,
    status: undefined,
    hungUp: undefined,
    done,
  };
}

/** Error for a body that is larger than the limit. */
export class BodyTooLarge extends Error {}

/**
 * Reads a body of at most `limit` bytes. The rest of a longer body is read and dropped, so that the client receives the
 * response.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      else chunks.length = 0;
    });
    request.once('end', () => {
      if (bytes > limit) reject(new BodyTooLarge());
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    request.once('error', reject);
    request.once('close', () => reject(new Error('the client went away')));
  });
}
