import type { OutgoingHttpHeaders } from 'node:http';
import type { Writable } from 'node:stream';

/** What an answer is written to: a response, or something that passes it on to several. */
export interface AnswerSink extends Writable {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  flushHeaders(): void;
}
