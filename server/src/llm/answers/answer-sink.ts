import type { OutgoingHttpHeaders } from 'node:http';
import type { Writable } from 'node:stream';

/** A destination for an answer: a response, or an object that passes the answer on to several clients. */
export interface AnswerSink extends Writable {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  flushHeaders(): void;
}
