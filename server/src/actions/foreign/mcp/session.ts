import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ErrorCode, McpError, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
import type { ServerTarget } from './config.ts';
import { boundedFetch, tooLarge } from './http.ts';
import { ProcessTransport } from './process-transport.ts';

/**
 * Time limit for the handshake with a server, in milliseconds. It is long because some servers are downloaded first.
 */
const connectTimeoutMs = 60_000;
/** Time limit for one page of a list, in milliseconds. */
const listTimeoutMs = 10_000;
const maxPages = 20;
/** Maximum number of items of a list that are read. */
const maxListed = 200;
/** Time limit of a whole call, in milliseconds, even if the server reports progress. */
const callTotalMs = 1_800_000;
/** Time for a server to answer a ping after a fault of its connection, in milliseconds. */
const pingTimeoutMs = 5_000;

/** A page of a list that a server returns in pages. */
const ListPage = z.object({ nextCursor: z.string().max(10_000).nullish() });
const Tools = ListPage.extend({ tools: z.array(z.unknown()) });
const Resources = ListPage.extend({ resources: z.array(z.unknown()) });
const Templates = ListPage.extend({ resourceTemplates: z.array(z.unknown()) });
/** The parts are parsed one by one later, so that an invalid part does not affect the others. */
const CallResult = z.object({
  content: z.array(z.unknown()).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().default(false),
});
export type CallResult = z.infer<typeof CallResult>;
const ResourceContents = z.object({ contents: z.array(z.unknown()) });

/** A failed request to a server. Its message is worded to follow the server's name. */
class McpFailure extends Error {}

/** Options of a session. */
export interface SessionOptions {
  /** Version of DevLM that is sent to the server. */
  readonly version: string;
  /** Time without progress after which a call is abandoned, in milliseconds. */
  readonly callMs: number;
}

/** A connection to an MCP server, from the handshake to its end. The only file that uses the SDK's client. */
export class Session {
  readonly #client: Client;
  readonly #transport: Transport;
  readonly #callMs: number;
  #closed: Promise<void> | undefined;
  #pinging = false;
  /** Why the connection had to be closed, worded to follow the server's name. */
  #fault: string | undefined;

  private constructor(client: Client, transport: Transport, callMs: number) {
    this.#client = client;
    this.#transport = transport;
    this.#callMs = callMs;
  }

  /**
   * Connects to a server. `onEnd` is called once when the connection has ended, whichever side ended it, and
   * `onToolsChanged` when the server announces that its tools have changed.
   *
   * @throws McpFailure
   */
  static async open(
    target: ServerTarget,
    { version, callMs }: SessionOptions,
    handlers: { onEnd: () => void; onToolsChanged: () => void },
    signal: AbortSignal,
  ): Promise<Session> {
    let opened: Session | undefined;
    const [first, ...fallbacks] = transportsFor(target, () => {
      if (opened) opened.#giveUp(tooLarge);
    });
    for (let make = first; make; ) {
      const client = new Client({ name: 'DevLM', version }, { capabilities: {} });
      const transport = make();
      let fault: Error | undefined;
      client.onerror = (error) => {
        fault ??= error;
      };
      try {
        await client.connect(transport, { timeout: connectTimeoutMs, signal });
        const session = new Session(client, transport, callMs);
        client.setNotificationHandler(ToolListChangedNotificationSchema, handlers.onToolsChanged);
        client.onclose = handlers.onEnd;
        client.onerror = () => void session.#check();
        opened = session;
        return session;
      } catch (error) {
        await transport.close().catch(() => undefined);
        signal.throwIfAborted();
        const next = fallbacks.shift();
        // A server that only knows the older transport refuses the request itself.
        if (!next || !(error instanceof StreamableHTTPError) || !isRefusal(error.code)) {
          const errorOutput = transport instanceof ProcessTransport ? lastLine(transport.errorOutput) : '';
          throw mcpFailureOf(isClosed(error) && fault ? fault : error, errorOutput);
        }
        make = next;
      }
    }
    throw new McpFailure('cannot be reached');
  }

  /** Whether the server declares that it has tools. */
  get hasTools(): boolean {
    return this.#client.getServerCapabilities()?.tools !== undefined;
  }

  /** Whether the server declares that it has resources. */
  get hasResources(): boolean {
    return this.#client.getServerCapabilities()?.resources !== undefined;
  }

  /** Returns the unparsed entries of the server's list of tools. @throws McpFailure, or the signal's reason */
  async tools(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('tools/list', Tools, ({ tools }) => tools, signal);
  }

  /** Returns the unparsed entries of the server's list of resources. @throws McpFailure, or the signal's reason */
  async resources(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('resources/list', Resources, ({ resources }) => resources, signal);
  }

  /**
   * Returns the unparsed entries of the server's list of resource templates. @throws McpFailure, or the signal's reason
   */
  async resourceTemplates(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('resources/templates/list', Templates, (page) => page.resourceTemplates, signal);
  }

  /**
   * Calls a tool.
   *
   * @param onProgress called with each progress report of the server
   * @throws McpFailure, or the signal's reason
   */
  async call(
    name: string,
    input: Readonly<Record<string, unknown>>,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CallResult> {
    return await this.#request('tools/call', { name, arguments: { ...input } }, CallResult, {
      signal,
      timeout: this.#callMs,
      resetTimeoutOnProgress: true,
      maxTotalTimeout: callTotalMs,
      onprogress: ({ progress, total, message }) =>
        onProgress(message ?? (total === undefined ? `${progress}` : `${progress} of ${total}`)),
    });
  }

  /** Returns the unparsed contents of a resource. @throws McpFailure, or the signal's reason */
  async read(uri: string, signal: AbortSignal): Promise<unknown[]> {
    const options = { signal, timeout: this.#callMs };
    return (await this.#request('resources/read', { uri }, ResourceContents, options)).contents;
  }

  /** Closes the connection and ends the server's process, if there is one. */
  async close(): Promise<void> {
    this.#closed ??= this.#transport.close().catch(() => undefined);
    await this.#closed;
  }

  async #list<S extends typeof ListPage>(
    method: 'tools/list' | 'resources/list' | 'resources/templates/list',
    schema: S,
    items: (page: z.output<S>) => unknown[],
    signal: AbortSignal,
  ): Promise<unknown[]> {
    const found: unknown[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < maxPages && found.length < maxListed; page++) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#request(method, params, schema, { signal, timeout: listTimeoutMs });
      found.push(...items(answer).slice(0, maxListed - found.length));
      cursor = answer.nextCursor ?? undefined;
      if (cursor === undefined) break;
    }
    return found;
  }

  async #request<S extends z.ZodType>(
    method: string,
    params: Record<string, unknown>,
    schema: S,
    options: RequestOptions,
  ): Promise<z.output<S>> {
    let answer: unknown;
    try {
      answer = await this.#client.request({ method, params }, z.unknown(), options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const fault = this.#transport instanceof ProcessTransport ? this.#transport.fault : this.#fault;
      throw fault === undefined ? mcpFailureOf(error, '') : new McpFailure(fault);
    }
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new McpFailure('sent an answer that is not a valid result');
  }

  #giveUp(fault: string): void {
    this.#fault = fault;
    void this.close();
  }

  /** Pings the server after a fault and closes the connection if it does not answer, so that pending requests fail. */
  async #check(): Promise<void> {
    if (this.#pinging || this.#closed || this.#transport instanceof ProcessTransport) return;
    this.#pinging = true;
    try {
      await this.#client.ping({ timeout: pingTimeoutMs });
    } catch (error) {
      // A server that does not know the method is alive too.
      if (!(error instanceof McpError && error.code === ErrorCode.MethodNotFound)) await this.close();
    } finally {
      this.#pinging = false;
    }
  }
}

/** Returns factories of the transports to try, in this order. */
function transportsFor(target: ServerTarget, onTooLarge: () => void): (() => Transport)[] {
  if (target.kind === 'stdio') return [() => new ProcessTransport(target)];
  const { url, headers, sse } = target;
  const options = { requestInit: { headers }, fetch: boundedFetch(onTooLarge) };
  const fallback = () => new SSEClientTransport(url, options);
  return sse ? [fallback] : [() => new StreamableHTTPClientTransport(url, options), fallback];
}

function isRefusal(status: number | undefined): boolean {
  return status !== undefined && [400, 404, 405].includes(status);
}

function isClosed(error: unknown): boolean {
  return error instanceof McpError && error.code === ErrorCode.ConnectionClosed;
}

function mcpFailureOf(error: unknown, errorOutput: string): McpFailure {
  const more = errorOutput === '' ? '' : `: ${errorOutput}`;
  if (error instanceof McpFailure) return error;
  if (isClosed(error)) return new McpFailure(`ended${more}`);
  if (error instanceof McpError) {
    if (error.code === ErrorCode.RequestTimeout) return new McpFailure(`did not answer in time${more}`);
    return new McpFailure(`answered with an error: ${error.message.slice(0, 2000)}`);
  }
  if (error instanceof StreamableHTTPError && error.code === 401)
    return new McpFailure('requires authentication (HTTP 401). Add a token to its headers');
  const why = error instanceof Error ? reasonOf(error) : String(error);
  return new McpFailure(`cannot be used: ${why.slice(0, 500)}${more}`);
}

/** Returns the reason for an error. `fetch` puts it into the cause. */
function reasonOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.message;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}
