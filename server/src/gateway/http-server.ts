import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody } from '../llm/error-body.ts';
import { newRequestId } from './messages/refusal.ts';
import { messagesPrefix } from './messages.ts';

/** Status and title for error codes of Node's HTTP parser. Default: 400. */
const statuses: Readonly<Record<string, readonly [status: number, title: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Payload Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};
const detail = 'The request is not valid HTTP.';

/** An error of Node's HTTP parser. */
interface HttpParserError extends NodeJS.ErrnoException {
  /** The packet that could not be parsed. It usually starts with the request line. */
  readonly rawPacket?: Buffer;
}

/** Creates the HTTP server for the app and the Messages API. It also responds to input that is not valid HTTP. */
export function createHttpServer(app: RequestListener, messages: RequestListener): Server {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      // Maximum delay until an exceeded headersTimeout or requestTimeout is noticed.
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
      noDelay: true,
    },
    (request, response) =>
      request.url?.startsWith(messagesPrefix) ? messages(request, response) : app(request, response),
  );
  server.maxConnections = 4_096;
  const lastResponses = new WeakMap<Socket, ServerResponse>();
  server.on('request', (request, response) => lastResponses.set(request.socket, response));
  server.on('clientError', (error: HttpParserError, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const [status, title] = statuses[error.code ?? ''] ?? [400, 'Bad Request'];
    const isMessages = error.rawPacket?.toString('latin1', 0, 32).split(' ')[1]?.startsWith(messagesPrefix) ?? false;
    const end = () => respondToParserError(socket, status, title, isMessages);
    const response = lastResponses.get(socket);
    if (!response || (response.req.complete && response.writableFinished)) end();
    // The error follows a complete request, whose response is sent first.
    else if (response.req.complete) response.once('finish', end);
    else if (!response.headersSent) respondToBrokenBody(response, status, title);
    // A response has been started: there must not be a second one.
    else socket.destroySoon();
  });
  return server;
}

/** Responds to a request whose body is cut off or malformed, so that its rest cannot be read. */
function respondToBrokenBody(response: ServerResponse, status: number, title: string): void {
  const isMessages = response.req.url?.startsWith(messagesPrefix) ?? false;
  const { body, type } = answerOf(status, title, isMessages, response.getHeader('X-Request-Id'));
  response.writeHead(status, headersOf(body, type)).end(body);
}

/** Responds to input that could not be parsed as a request. */
function respondToParserError(socket: Socket, status: number, title: string, isMessages: boolean): void {
  if (!socket.writable) return;
  const { body, type } = answerOf(status, title, isMessages);
  const headers = Object.entries(headersOf(body, type)).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${title}\r\n${headers.join('')}\r\n${body}`);
}

function answerOf(status: number, title: string, isMessages: boolean, requestId: unknown = randomUUID()) {
  return isMessages
    ? { type: 'application/json', body: errorBody(status, detail, newRequestId()) }
    : {
        type: 'application/problem+json',
        body: JSON.stringify({ code: 'bad_request', status, title, detail, requestId }),
      };
}

function headersOf(body: string, type: string) {
  return { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
}
