import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Web server for several sites on one loopback port, which records its requests. */
export class TestWeb implements AsyncDisposable {
  /** `host/path?query` of every request, in order. */
  readonly seen: string[] = [];
  /** Handlers by `host/path`, or by `/path` for all hosts. */
  readonly routes: Record<string, RequestListener> = {};
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.seen.push(`${request.headers.host}${request.url}`);
      const path = (request.url ?? '').replace(/\?.*/, '');
      const route = this.routes[`${request.headers.host}${path}`] ?? this.routes[path];
      if (route) route(request, response);
      else response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such page.');
    });
  }

  static async start(): Promise<TestWeb> {
    const web = new TestWeb();
    await new Promise<void>((resolve) => web.#server.listen(0, '127.0.0.1', resolve));
    return web;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Environment variables with which a server process uses this web server as its internet (see `internet.ts`). */
  get env(): Record<string, string> {
    const preload = fileURLToPath(new URL('internet.ts', import.meta.url));
    return { NODE_OPTIONS: `--import=${preload}`, DEVLM_TEST_INTERNET: String(this.port) };
  }

  /** Serves a page. Default type: HTML. */
  page(at: string, body: string | Buffer, type = 'text/html; charset=utf-8'): void {
    this.routes[at] = (_, response) => response.setHeader('content-type', type).end(body);
  }

  /** Requests except those for robots.txt. */
  get fetched(): string[] {
    return this.seen.filter((address) => !address.endsWith('/robots.txt'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Returns the complete body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
