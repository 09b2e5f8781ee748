import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import type { McpStatus } from '@devlm/protocol/views.ts';
import * as z from 'zod';
import { type ForeignTool, foreignName, printable } from '../foreign-tool.ts';
import type { NamedServer } from './config.ts';
import type { CallResult, Session, SessionOptions } from './session.ts';

/** Delay before a failed server is started again, in milliseconds. It doubles with each consecutive failure. */
const firstBackoffMs = 500;
/** Maximum delay before a failed server is started again, in milliseconds. */
const maxBackoffMs = 60_000;
/** Uptime after which the count of consecutive failures is reset, in milliseconds. */
const stableMs = 30_000;
/** Maximum number of tools of one server that the model is offered. */
const maxTools = 64;

const Listed = z.object({
  name: z.string().min(1).max(200),
  title: z.string().max(1000).optional(),
  description: z.string().max(100_000).default(''),
  inputSchema: z.unknown().optional(),
});

/** A tool that a server lists and the model can be offered. */
export type ListedTool = Pick<ForeignTool, 'name' | 'title' | 'description' | 'inputSchema'>;

/** A request to a session. */
type SessionRequest<T> = (session: Session, signal: AbortSignal) => Promise<T>;

/** Options of a connection. */
export interface ConnectionOptions extends SessionOptions {
  readonly server: NamedServer;
  /** Called when the status has changed. */
  readonly onStatus: (status: McpStatus) => void;
}

/** One MCP server of a project. It is started when it is first needed, and again after it has died. */
export class Connection {
  readonly server: NamedServer;
  /** Time when it was last needed, as of `performance.now()`. */
  usedAt = performance.now();
  tools: readonly ListedTool[] = [];
  readonly #options: ConnectionOptions;
  readonly #life = new AbortController();
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #openedAt = 0;
  /** Number of consecutive failures. */
  #failures = 0;
  /** Earliest time of the next start, as of `performance.now()`. */
  #notBefore = 0;
  /** Whether the list of tools has changed since it was read. */
  #stale = false;
  #calls = 0;
  #reported = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.server = options.server;
  }

  /** Whether it is starting or has calls under way. */
  get busy(): boolean {
    return this.#calls > 0 || this.#opening !== undefined;
  }

  /** Whether the server runs. */
  get running(): boolean {
    return this.#session !== undefined;
  }

  /** Whether the running server has resources. */
  get hasResources(): boolean {
    return this.#session?.hasResources ?? false;
  }

  /**
   * Starts the server if it does not run, and reads its tools. The start continues when the signal aborts, for the
   * benefit of the next caller.
   *
   * @throws ProblemError, or the signal's reason
   */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
  }

  /**
   * Sends a request to the server once it runs. If the server dies meanwhile, the request is not repeated.
   *
   * @throws ProblemError, or the signal's reason
   */
  async ask<T>(request: SessionRequest<T>, signal: AbortSignal): Promise<T> {
    const session = await this.#open(signal);
    this.#calls++;
    try {
      return await request(session, AbortSignal.any([signal, this.#life.signal]));
    } catch (error) {
      signal.throwIfAborted();
      throw this.#problem(error);
    } finally {
      this.#calls--;
      this.usedAt = performance.now();
    }
  }

  /** Calls a tool of the server. @throws ProblemError, or the signal's reason */
  async call(
    name: string,
    input: Readonly<Record<string, unknown>>,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CallResult> {
    return await this.ask((session, askSignal) => session.call(name, input, onProgress, askSignal), signal);
  }

  /** Ends the server until it is needed again. */
  async rest(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
    if (session) this.#report('ended', '');
  }

  /** Ends the server permanently. */
  async close(): Promise<void> {
    this.#life.abort();
    await this.#opening?.catch(() => undefined);
    await this.rest();
  }

  async #open(signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    this.usedAt = performance.now();
    if (this.#session && !this.#stale) return this.#session;
    this.#opening ??= this.#start().finally(() => {
      this.#opening = undefined;
    });
    return await untilAborted(this.#opening, signal);
  }

  async #start(): Promise<Session> {
    const { signal } = this.#life;
    try {
      if (!this.#session) {
        this.#report('starting', '');
        await sleep(Math.max(0, this.#notBefore - performance.now()), undefined, { signal });
      }
      const session = this.#session ?? (await this.#connect(signal));
      this.#stale = false;
      const { offered, leftOut } = await this.#list(session, signal);
      this.tools = offered;
      this.#session = session;
      this.#report('ready', leftOut.join(' '));
      return session;
    } catch (error) {
      this.#onEnded();
      const problem = this.#problem(error);
      if (!signal.aborted) this.#report('failed', problem.problem.detail);
      throw problem;
    }
  }

  async #connect(signal: AbortSignal): Promise<Session> {
    // The SDK is loaded only when there is a server to connect to.
    const { Session } = await import('./session.ts');
    let ended = false;
    const session = await Session.open(
      this.server.target,
      this.#options,
      {
        onEnd: () => {
          ended = true;
          if (this.#session !== session) return;
          this.#onEnded();
          this.#report('ended', `${this.#owner} ended. DevLM starts it again when it is needed.`);
        },
        onToolsChanged: () => {
          this.#stale = true;
        },
      },
      signal,
    );
    if (signal.aborted) await session.close();
    signal.throwIfAborted();
    if (ended) throw new Error('ended at once');
    this.#openedAt = performance.now();
    return session;
  }

  async #list(session: Session, signal: AbortSignal): Promise<{ offered: ListedTool[]; leftOut: string[] }> {
    const { inputSchemaOf } = await import('./schema.ts');
    const offered = new Map<string, ListedTool>();
    const leftOut: string[] = [];
    const listed = session.hasTools ? await this.#closeOnError(session, session.tools(signal)) : [];
    for (const value of listed) {
      const { data } = Listed.safeParse(value);
      if (!data) {
        leftOut.push('A tool without a name was omitted.');
        continue;
      }
      const { name: title, description } = data;
      const name = foreignName(`mcp__${this.server.slug}__`, title);
      const inputSchema = inputSchemaOf(data.inputSchema);
      const shown = printable(title).slice(0, 60);
      if (typeof inputSchema === 'string') leftOut.push(`${shown} was omitted: ${inputSchema}.`);
      else if (offered.has(name)) leftOut.push(`${shown} is listed twice.`);
      else if (offered.size === maxTools) leftOut.push(`${shown} was omitted: there are more than ${maxTools} tools.`);
      else offered.set(name, { name, title, description, inputSchema });
    }
    return { offered: [...offered.values()], leftOut };
  }

  /** Awaits the first requests of a new session and closes it if they fail. */
  async #closeOnError<T>(session: Session, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  #onEnded(): void {
    const isStable = this.#session !== undefined && performance.now() - this.#openedAt >= stableMs;
    this.#failures = isStable ? 1 : this.#failures + 1;
    this.#notBefore = performance.now() + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (this.#failures - 1));
    this.#session = undefined;
  }

  get #owner(): string {
    return `The MCP server "${this.server.name}"`;
  }

  #problem(error: unknown): ProblemError {
    if (error instanceof ProblemError) return error;
    const why = this.#life.signal.aborted ? 'was stopped' : error instanceof Error ? error.message : String(error);
    const detail = `${this.#owner} ${this.#withoutSecrets(printable(why))}.`;
    return new ProblemError({ code: 'mcp_failed', status: 502, title: 'MCP server failed', detail }, { cause: error });
  }

  /** Removes the secret values of the configuration, which a server may print. */
  #withoutSecrets(text: string): string {
    const { target } = this.server;
    const values = Object.values(target.kind === 'stdio' ? target.env : target.headers);
    return values.filter((value) => value.length >= 6).reduce((rest, value) => rest.replaceAll(value, '***'), text);
  }

  #report(state: McpStatus['state'], detail: string): void {
    const status = { name: this.server.name, state, detail: detail.slice(0, 1000), tools: this.tools.length };
    const text = JSON.stringify(status);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#options.onStatus(status);
  }
}
