import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ErrorCode, McpError, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
import type { Target } from './config.ts';
import { boundedFetch, tooLarge } from './http.ts';
import { ProcessTransport } from './process-transport.ts';

/** How long a server may take to say hello, milliseconds: some are downloaded first. */
const helloMs = 60_000;
/** How long it may take to list what it has, one page, milliseconds. */
const listMs = 10_000;
const maxPages = 20;
/** Most that is read of a list. */
const maxListed = 200;
/** A call that takes this long altogether is given up, whatever the news of it, milliseconds. */
const callTotalMs = 1_800_000;
/** A server over whose connection something went wrong has this long to show that it lives, milliseconds. */
const pingMs = 5_000;

const Page = z.object({ nextCursor: z.string().max(10_000).nullish() });
const Tools = Page.extend({ tools: z.array(z.unknown()) });
const Resources = Page.extend({ resources: z.array(z.unknown()) });
const Templates = Page.extend({ resourceTemplates: z.array(z.unknown()) });
/** Read part by part later: one odd part must not lose the others. */
const CallResult = z.object({
  content: z.array(z.unknown()).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().default(false),
});
export type CallResult = z.infer<typeof CallResult>;
const Contents = z.object({ contents: z.array(z.unknown()) });

/** Why something asked of a server came to nothing, in words that go on from its name. */
class McpFailure extends Error {}

export interface SessionOptions {
  /** Of DevLM, for the server. */
  readonly version: string;
  /** A call without news for this long is given up, milliseconds. */
  readonly callMs: number;
}

/** A connection to an MCP server, from hello to its end. The only file that knows the SDK's client. */
export class Session {
  readonly #client: Client;
  readonly #transport: Transport;
  readonly #callMs: number;
  #closed: Promise<void> | undefined;
  #pinging = false;
  /** Why it had to be ended, in words that go on from its name. */
  #fault: string | undefined;

  private constructor(client: Client, transport: Transport, callMs: number) {
    this.#client = client;
    this.#transport = transport;
    this.#callMs = callMs;
  }

  /**
   * @param onEnd called once when the connection has ended, by whomever
   * @param onToolsChanged the server says that it has other tools now
   * @throws McpFailure
   */
  static async open(
    target: Target,
    { version, callMs }: SessionOptions,
    hear: { onEnd: () => void; onToolsChanged: () => void },
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
        await client.connect(transport, { timeout: helloMs, signal });
        const session = new Session(client, transport, callMs);
        client.setNotificationHandler(ToolListChangedNotificationSchema, hear.onToolsChanged);
        client.onclose = hear.onEnd;
        client.onerror = () => void session.#check();
        opened = session;
        return session;
      } catch (error) {
        await transport.close().catch(() => undefined);
        signal.throwIfAborted();
        const next = fallbacks.shift();
        // What is told of a server of the older kind: the request as such was refused.
        if (!next || !(error instanceof StreamableHTTPError) || !isRefusal(error.code)) {
          const said = transport instanceof ProcessTransport ? lastLine(transport.errorOutput) : '';
          throw failureOf(isClosed(error) && fault ? fault : error, said);
        }
        make = next;
      }
    }
    throw new McpFailure('cannot be reached');
  }

  get hasTools(): boolean {
    return this.#client.getServerCapabilities()?.tools !== undefined;
  }

  get hasResources(): boolean {
    return this.#client.getServerCapabilities()?.resources !== undefined;
  }

  async tools(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('tools/list', Tools, ({ tools }) => tools, signal);
  }

  async resources(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('resources/list', Resources, ({ resources }) => resources, signal);
  }

  async resourceTemplates(signal: AbortSignal): Promise<unknown[]> {
    return await this.#list('resources/templates/list', Templates, (page) => page.resourceTemplates, signal);
  }

  /** @param onProgress hears what the server says while it works */
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

  async read(uri: string, signal: AbortSignal): Promise<unknown[]> {
    const options = { signal, timeout: this.#callMs };
    return (await this.#request('resources/read', { uri }, Contents, options)).contents;
  }

  /** Ends the connection, and the server's process where it has one. */
  async close(): Promise<void> {
    this.#closed ??= this.#transport.close().catch(() => undefined);
    await this.#closed;
  }

  async #list<S extends typeof Page>(
    method: 'tools/list' | 'resources/list' | 'resources/templates/list',
    schema: S,
    items: (page: z.output<S>) => unknown[],
    signal: AbortSignal,
  ): Promise<unknown[]> {
    const found: unknown[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < maxPages && found.length < maxListed; page++) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#request(method, params, schema, { signal, timeout: listMs });
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
      throw fault === undefined ? failureOf(error, '') : new McpFailure(fault);
    }
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new McpFailure('answered with something that is no result');
  }

  #giveUp(fault: string): void {
    this.#fault = fault;
    void this.close();
  }

  /** After a fault: a server that does not answer is done with, so that what waits for it hears of that. */
  async #check(): Promise<void> {
    if (this.#pinging || this.#closed || this.#transport instanceof ProcessTransport) return;
    this.#pinging = true;
    try {
      await this.#client.ping({ timeout: pingMs });
    } catch (error) {
      // One that does not know the question is there all the same.
      if (!(error instanceof McpError && error.code === ErrorCode.MethodNotFound)) await this.close();
    } finally {
      this.#pinging = false;
    }
  }
}

/** What to try, in this order. */
function transportsFor(target: Target, onTooLarge: () => void): (() => Transport)[] {
  if (target.kind === 'stdio') return [() => new ProcessTransport(target)];
  const { url, headers, sse } = target;
  const options = { requestInit: { headers }, fetch: boundedFetch(onTooLarge) };
  const older = () => new SSEClientTransport(url, options);
  return sse ? [older] : [() => new StreamableHTTPClientTransport(url, options), older];
}

function isRefusal(status: number | undefined): boolean {
  return status !== undefined && [400, 404, 405].includes(status);
}

function isClosed(error: unknown): boolean {
  return error instanceof McpError && error.code === ErrorCode.ConnectionClosed;
}

function failureOf(error: unknown, said: string): McpFailure {
  const more = said === '' ? '' : `: ${said}`;
  if (error instanceof McpFailure) return error;
  if (isClosed(error)) return new McpFailure(`ended${more}`);
  if (error instanceof McpError) {
    if (error.code === ErrorCode.RequestTimeout) return new McpFailure(`did not answer in time${more}`);
    return new McpFailure(`answered with an error: ${error.message.slice(0, 2000)}`);
  }
  if (error instanceof StreamableHTTPError && error.code === 401)
    return new McpFailure('wants a login (HTTP 401): name a token in its headers');
  const why = error instanceof Error ? reasonOf(error) : String(error);
  return new McpFailure(`cannot be used: ${why.slice(0, 500)}${more}`);
}

/** `fetch` hides the reason in the cause. */
function reasonOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.message;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}
