import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { RouteInput } from '@devlm/protocol/routes.ts';
import type { ConversationState } from '@devlm/protocol/state.ts';
import type { Ask, AskAnswer } from '@devlm/protocol/tools.ts';
import { Client } from '../../extension/src/connection/client.ts';
import { followConversation } from '../../extension/src/connection/events.ts';
import { nodeOptions } from '../../extension/src/connection/launcher.ts';
import { problemsOf } from '../../extension/src/problems.ts';

/*
 * The real server in its own process, and the extension's own client to talk to it.
 */

const root = join(import.meta.dirname, '..', '..');
/** Entry file of the server's sources. */
export const serverSources = join(root, 'server/src/main.ts');
const problems = problemsOf((text) => text);
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Options of a `TestServer`. */
export interface ServerOptions {
  /** Default: a new folder, removed at the end. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Address of the stand-in for Claude. */
  readonly claudeUrl?: string;
  /** Whether to run a team server, whose users need tokens. */
  readonly team?: boolean;
  /** Bundle to run. Default: the sources. */
  readonly bundle?: string;
}

/** The real server in a process of its own. */
export class TestServer implements AsyncDisposable {
  readonly dataDir: string;
  readonly #options: ServerOptions;
  readonly #ownsDir: boolean;
  #process: ChildProcess | undefined;
  #stderr = '';
  discovery!: Discovery;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#ownsDir = options.dataDir === undefined;
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'devlm-server-'));
  }

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options);
    await server.start();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.discovery.port}`;
  }

  get client(): Client {
    return new Client({ origin: this.origin, secret: this.discovery.secret }, problems);
  }

  get stderr(): string {
    return this.#stderr;
  }

  async start(): Promise<void> {
    const { claudeUrl, env, args = [], bundle, team } = this.#options;
    this.#stderr = '';
    const child = spawn(
      process.execPath,
      [
        ...(team ? [] : nodeOptions),
        ...serverCommand(bundle),
        'serve',
        ...(team ? [] : ['--embedded']),
        '--data-dir',
        this.dataDir,
        ...args,
      ],
      {
        env: {
          PATH: process.env['PATH'],
          ANTHROPIC_API_KEY: 'sk-test-0123456789abcdef',
          ...(claudeUrl ? { ANTHROPIC_BASE_URL: claudeUrl } : {}),
          DEVLM_MODEL: 'claude-sonnet-5-5',
          DEVLM_LOG_LEVEL: 'warn',
          ...env,
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#process = child;
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
    const path = join(this.dataDir, discoveryFile);
    for (let waited = 0; waited < 15_000; waited += 10) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.#stderr}`);
      const found = existsSync(path) ? Discovery.safeParse(parse(readFileSync(path, 'utf8'))) : undefined;
      if (found?.success && found.data.pid === child.pid) {
        this.discovery = found.data;
        return;
      }
      await sleep(10);
    }
    throw new Error(`the server did not start: ${this.#stderr}`);
  }

  /** Kills the process and waits for its exit. Returns the exit code. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  /** Waits until the process ends by itself. Returns the exit code. */
  async ended(): Promise<number | null> {
    const child = this.#process;
    if (child && child.exitCode === null) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#ownsDir) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Returns the Node arguments that run the server's sources, or a bundle (for example if Node is too old for sources). */
export function serverCommand(bundle = process.env['DEVLM_TEST_BUNDLE'] ?? serverSources): string[] {
  // Express parses URLs with `url.parse`. Node reports this as deprecated except in node_modules.
  return ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0169', bundle];
}

/** Reader of one conversation, which reduces its events to a state as a chat page does. */
export class Reader implements Disposable {
  state: ConversationState;
  readonly events: ReceivedEvent[] = [];
  /** Called with each event as it arrives. */
  onEvent: (event: ReceivedEvent) => void = () => undefined;
  readonly #controller = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #server: () => TestServer;
  #refused: unknown;

  constructor(server: () => TestServer, conversationId: string, after = 0) {
    this.#server = server;
    this.state = { ...emptyConversation(conversationId), lastSeq: after };
    void followConversation({
      endpoint: async () => ({ origin: server().origin, secret: server().discovery.secret }),
      conversationId,
      after,
      signal: this.#controller.signal,
      problems,
      log: silent,
      deliver: async (events) => {
        for (const event of events) {
          this.events.push(event);
          this.onEvent(event);
          this.state = applyEvent(this.state, event);
        }
        for (const wake of this.#waiting) wake();
      },
    }).catch((error: unknown) => {
      this.#refused = error;
    });
  }

  /** Answers each question of a turn once from now on, as a user would. Replaces `onEvent`. */
  answerAsks(answer: (ask: Ask) => AskAnswer): void {
    const answered = new Set<string>();
    this.onEvent = (event) => {
      if (event.type !== 'ask.opened' || !('callId' in event) || answered.has(event.callId)) return;
      answered.add(event.callId);
      const params = { conversationId: this.state.id, turnId: event.turnId, callId: event.callId };
      this.#server()
        .client.call('asks.answer', { params, body: answer(event.ask) })
        // The server may be killed meanwhile. The test notices a question that stays open by its turn.
        .catch(() => undefined);
    };
  }

  /** Waits until the state satisfies a condition, and returns it. */
  async until(condition: (state: ConversationState) => boolean, timeoutMs = 25_000): Promise<ConversationState> {
    const deadline = Date.now() + timeoutMs;
    while (!condition(this.state)) {
      if (this.#refused) throw this.#refused;
      if (Date.now() > deadline)
        throw new Error(`not reached in ${timeoutMs} ms: ${JSON.stringify(this.state).slice(-1500)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await Promise.race([promise, sleep(50)]);
      this.#waiting.delete(resolve);
    }
    return this.state;
  }

  /** Resolves when the turn has ended. */
  async ended(turnId: string, timeoutMs?: number) {
    const state = await this.until(
      (s) => ['completed', 'stopped', 'failed'].includes(s.turns[turnId]?.status ?? ''),
      timeoutMs,
    );
    const turn = state.turns[turnId];
    if (!turn) throw new Error('no such turn');
    return turn;
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }
}

/** Creates a conversation and returns its id. */
export async function newConversation(server: TestServer, projectId: string | null = null): Promise<string> {
  const { id } = await server.client.call('conversations.create', { body: { id: randomUUID(), projectId } });
  return id;
}

/** Sends a message and returns the turn's id. */
export async function send(
  server: TestServer,
  conversationId: string,
  text: string,
  more: Partial<RouteInput<'turns.create'>['body']> = {},
): Promise<string> {
  const turnId = randomUUID();
  await server.client.call('turns.create', {
    params: { conversationId },
    body: { turnId, parent: null, text, ...more },
  });
  return turnId;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
