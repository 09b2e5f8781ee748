import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';

/**
 * Function that opens a connection to a host of the public network.
 * @throws Error if the connection fails or the host's address is not public
 */
export type Dial = (host: string, port: number, signal: AbortSignal) => Promise<Socket>;

/** Maximum time that a connection may be idle, in milliseconds. */
const idleTimeoutMs = 30_000;
const hopByHop = /^(connection|proxy-.*|keep-alive|te|trailer|transfer-encoding|upgrade)$/i;

/**
 * Returns whether a list of hosts allows a host and port. An entry is `example.org`, or `*.example.org` for all
 * subdomains, optionally with `:port`. Without a port it allows ports 80 and 443.
 */
export function allows(hosts: readonly string[], host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return hosts.some((entry) => {
    const [, pattern = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (only === undefined ? port !== 80 && port !== 443 : port !== Number(only)) return false;
    return pattern.startsWith('*.')
      ? name.endsWith(pattern.slice(1)) && name.length >= pattern.length
      : name === pattern;
  });
}

/** Returns an HTTP proxy for one run, which reaches only the listed hosts. Connections are passed to it with `emit`. */
export function createProxy(hosts: readonly string[], dial: Dial, signal: AbortSignal): Server {
  const routes = new ProxyRoutes(hosts, dial, signal);
  const server = createServer({ headersTimeout: idleTimeoutMs, requestTimeout: 0, maxHeaderSize: 32_768 });
  server.on('request', (incoming, response) => void routes.forward(incoming, response));
  server.on('connect', (incoming, client, head) => void routes.connect(incoming, client, head));
  return server;
}

/** Handlers of a proxy for the requests of one run. Their connections end when the signal aborts. */
class ProxyRoutes {
  readonly #hosts: readonly string[];
  readonly #dial: Dial;
  readonly #signal: AbortSignal;

  constructor(hosts: readonly string[], dial: Dial, signal: AbortSignal) {
    this.#hosts = hosts;
    this.#dial = dial;
    this.#signal = signal;
  }

  /** Forwards a request for an `http:` address. */
  async forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : null;
    if (url?.protocol !== 'http:') return refuse(response, 400, 'This is a proxy. Send a complete http: address.');
    const port = Number(url.port || 80);
    if (!allows(this.#hosts, url.hostname, port)) return refuse(response, 403, notAllowed(url.hostname, port));
    try {
      const socket = await this.#reach(url.hostname, port);
      const headers = Object.entries(incoming.headers).filter(([name]) => !hopByHop.test(name));
      const outgoing = request({
        createConnection: () => socket,
        method: incoming.method,
        path: `${url.pathname}${url.search}`,
        headers: { ...Object.fromEntries(headers), host: url.host, connection: 'close' },
        signal: this.#signal,
      });
      forwardResponse(outgoing, response, url.hostname);
      pipeline(incoming, outgoing, () => {});
    } catch (error) {
      refuse(response, 502, `Cannot reach ${url.hostname}: ${reason(error)}`);
    }
  }

  /** Opens a tunnel, which programs request for TLS. */
  async connect(incoming: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    const [, host = '', digits] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(incoming.url ?? '') ?? [];
    const port = Number(digits);
    const answer = (line: string, text: string) =>
      client.end(`HTTP/1.1 ${line}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${text}\n`);
    if (!host || !allows(this.#hosts, host, port)) return void answer('403 Forbidden', notAllowed(host, port));
    try {
      const socket = await this.#reach(host, port);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) socket.write(head);
      pipeline(client, socket, () => socket.destroy());
      pipeline(socket, client, () => client.destroy());
    } catch (error) {
      answer('502 Bad Gateway', `Cannot reach ${host}: ${reason(error)}`);
    }
  }

  async #reach(host: string, port: number): Promise<Socket> {
    const signal = this.#signal;
    const socket = await this.#dial(host, port, signal);
    const end = () => socket.destroy();
    signal.addEventListener('abort', end, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', end));
    socket.setTimeout(idleTimeoutMs, end);
    if (signal.aborted) end();
    return socket;
  }
}

/** Forwards the response to a request, or sends a 502 if the response is not valid HTTP. */
function forwardResponse(outgoing: ClientRequest, response: ServerResponse, host: string): void {
  const noHttp = () => refuse(response, 502, `${host} sent no valid HTTP response.`);
  outgoing.once('response', (answer) => {
    const kept = Object.entries(answer.headers).filter(([name]) => !hopByHop.test(name));
    try {
      // Throws on a status or header that cannot be sent. An uncaught error here would end the server.
      response.writeHead(answer.statusCode ?? 0, Object.fromEntries(kept));
    } catch {
      answer.destroy();
      return noHttp();
    }
    pipeline(answer, response, () => {});
  });
  // No upgrade was requested.
  outgoing.once('upgrade', (_answer, upgraded) => {
    upgraded.destroy();
    noHttp();
  });
  outgoing.on('error', noHttp);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  response.end(`${text}\n`);
}

const notAllowed = (host: string, port: number) => `This run is not allowed to reach ${host}:${port}.`;
const reason = (error: unknown) => (error instanceof Error ? error.message : 'unknown error');
