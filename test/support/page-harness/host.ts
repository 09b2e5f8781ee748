/// <reference lib="dom" />
import type { Event, EventBody } from '../../../protocol/src/events.ts';
import type { HostToPage, PageToHost } from '../../../protocol/src/page.ts';
import type { Problem } from '../../../protocol/src/problem.ts';
import { joinDeltas } from '../../../protocol/src/reducer.ts';
import { AskAnswer } from '../../../protocol/src/tools.ts';
import type { ConversationSummary } from '../../../protocol/src/views.ts';
import { models } from './models.ts';
import { reviewHandlers } from './reviews.ts';
import { PageSandbox } from './sandbox.ts';
import { usageReport } from './usage.ts';

/*
 * Runs in the page and simulates the extension and the server, with conversations that the test defines. The real
 * extension and server are tested elsewhere.
 */

interface Stored {
  summary: ConversationSummary;
  head: string | null;
  events: Event[];
  parents: Map<string, string | null>;
}

/** How an answer is streamed to the page. */
export interface StreamOptions {
  /** The chunks of the answer, in order. */
  readonly chunks: readonly string[];
  /** Chunks per second. 0 sends all at once. */
  readonly perSecond: number;
  /** Time within which deltas are joined, as on the server, in milliseconds. 0 joins none. */
  readonly coalesceMs: number;
}

type Call = Extract<PageToHost, { kind: 'call' }>;
type Handler = (input: {
  params: Record<string, string>;
  query: Record<string, never>;
  body: Record<string, never>;
}) => unknown;

class PageHost {
  readonly conversations = new Map<string, Stored>();
  readonly received: PageToHost[] = [];
  /** The answer to the next `turns.create`. Null leaves the turn running. */
  answer: StreamOptions | null = { chunks: ['An answer.'], perSecond: 0, coalesceMs: 0 };
  readonly sandbox = new PageSandbox((message) => this.push(message));
  /** Whether answers to questions are accepted without an event. */
  holdAnswers = false;
  readonly failures = new Map<string, Problem>();
  readonly files = ['src/app.ts', 'src/router/index.ts', 'src/router/match.ts', 'README.md', 'test/router.test.ts'];
  #subscribed: string | null = null;
  hello: Extract<HostToPage, { kind: 'hello' }> = {
    kind: 'hello',
    view: { conversationId: null, drafts: {}, model: null, thinking: false },
    settings: { enterSends: true, showCost: true, expandThinking: false, restricted: false },
    server: { state: 'ready', key: 'set', demo: false },
    strings: {},
    projectId: 'project-1',
  };

  receive(message: PageToHost): void {
    this.received.push(message);
    if (message.kind === 'ready') this.push(this.hello);
    else if (message.kind === 'subscribe') {
      this.#subscribed = message.conversationId;
      const missed =
        this.stored(message.conversationId ?? '')?.events.filter((event) => event.seq > message.after) ?? [];
      if (missed.length > 0 && message.conversationId !== null)
        this.push({ kind: 'events', conversationId: message.conversationId, events: missed });
    } else if (message.kind === 'execute') this.sandbox.execute(message);
    else if (message.kind === 'editor') {
      const problem = this.failures.get(message.action.action);
      if (problem) this.push({ kind: 'reply', id: message.id, ok: false, problem });
      else this.push({ kind: 'reply', id: message.id, ok: true, value: this.#edit(message.action) });
    } else this.#reply(message);
  }

  push(message: HostToPage): void {
    // The editor sends JSON, so undefined values do not arrive. Events have none.
    window.postMessage(message.kind === 'events' ? message : JSON.parse(JSON.stringify(message)), '*');
  }

  stored(id: string): Stored | undefined {
    return this.conversations.get(id);
  }

  create(id: string, title = '', updatedAt = new Date().toISOString()): Stored {
    const summary: ConversationSummary = {
      id,
      title,
      projectId: 'project-1',
      createdAt: updatedAt,
      updatedAt,
      deletedAt: null,
      turns: 0,
      busy: false,
      costUsd: 0,
    };
    const stored: Stored = { summary, head: null, events: [], parents: new Map() };
    this.conversations.set(id, stored);
    this.append(id, [{ type: 'conversation.created', title, projectId: 'project-1', branchOf: null }]);
    return stored;
  }

  append(id: string, bodies: readonly EventBody[]): void {
    const stored = this.stored(id);
    if (!stored) return;
    const events = bodies.map((body, index): Event => {
      if (body.type === 'turn.created') {
        stored.parents.set(body.turnId, body.parent);
        stored.head = body.turnId;
        stored.summary.turns += 1;
      }
      if (body.type === 'head.moved') stored.head = body.turnId;
      if (body.type === 'step.ended') stored.summary.costUsd += body.costUsd ?? 0;
      return { ...body, seq: stored.events.length + index + 1, at: new Date().toISOString() };
    });
    stored.events.push(...events);
    if (this.#subscribed === id) this.push({ kind: 'events', conversationId: id, events });
  }

  /** Returns the number of turns in all conversations. */
  turnCount(): number {
    return [...this.conversations.values()].reduce((sum, stored) => sum + stored.parents.size, 0);
  }

  /** Releases the text of all events, for tests that measure the memory of the page. */
  forget(): void {
    this.received.length = 0;
    for (const { events } of this.conversations.values()) {
      events.forEach((event, index) => {
        if (event.type === 'block.delta') events[index] = { ...event, text: '' };
      });
    }
  }

  /** Appends a complete turn. */
  turn(id: string, turnId: string, text: string, answer: string, parent = this.stored(id)?.head ?? null): void {
    this.append(id, [
      { type: 'turn.created', turnId, parent, text, attachments: [], model: null, thinking: false },
      ...this.#begin(turnId),
      { type: 'block.delta', turnId, stepId: `${turnId}-s`, index: 0, text: answer },
      ...this.#end(turnId),
    ]);
  }

  #begin(turnId: string): EventBody[] {
    return [
      { type: 'turn.started', turnId, attempt: 1 },
      { type: 'step.started', turnId, stepId: `${turnId}-s`, model: 'claude-sonnet-4-5' },
      { type: 'block.started', turnId, stepId: `${turnId}-s`, index: 0, kind: 'text' },
    ];
  }

  #end(turnId: string): EventBody[] {
    const usage = { inputTokens: 1_240, outputTokens: 812, cacheReadTokens: 18_300, cacheWriteTokens: 600 };
    const stepId = `${turnId}-s`;
    return [
      { type: 'block.ended', turnId, stepId, index: 0 },
      {
        type: 'step.ended',
        turnId,
        stepId,
        stopReason: 'end_turn',
        usage,
        costUsd: 0.0213,
        model: 'claude-sonnet-4-5',
      },
      { type: 'turn.ended', turnId, outcome: 'completed' },
    ];
  }

  /** Streams an answer to an existing turn. Resolves when the turn has ended. */
  async stream(id: string, turnId: string, options: StreamOptions): Promise<void> {
    this.append(id, this.#begin(turnId));
    const { chunks, perSecond, coalesceMs } = options;
    const start = performance.now();
    let sent = 0;
    while (sent < chunks.length) {
      if (perSecond > 0) await new Promise((resolve) => setTimeout(resolve, coalesceMs > 0 ? coalesceMs : 5));
      const due =
        perSecond > 0
          ? Math.min(chunks.length, Math.floor(((performance.now() - start) / 1000) * perSecond))
          : chunks.length;
      const pieces = chunks.slice(sent, due);
      sent = due;
      const deltas = (coalesceMs > 0 ? [pieces.join('')] : pieces).filter((text) => text !== '');
      for (const text of deltas)
        this.append(id, [{ type: 'block.delta', turnId, stepId: `${turnId}-s`, index: 0, text }]);
    }
    this.append(id, this.#end(turnId));
  }

  #reply(call: Call): void {
    const failure = this.failures.get(call.route);
    if (failure) {
      this.push({ kind: 'reply', id: call.id, ok: false, problem: failure });
      return;
    }
    const { params, query, body } = call.input;
    const handler = this.#routes[call.route];
    const value = handler?.({
      params: (params ?? {}) as Record<string, string>,
      query: (query ?? {}) as Record<string, never>,
      body: (body ?? {}) as Record<string, never>,
    });
    this.push({ kind: 'reply', id: call.id, ok: true, value });
  }

  #page(id: string, at: string | null, limit: number) {
    const stored = this.stored(id);
    const ids: string[] = [];
    let next = at;
    while (stored && next !== null && ids.length < limit) {
      ids.unshift(next);
      next = stored.parents.get(next) ?? null;
    }
    const wanted = new Map<string, Event[]>(ids.map((turnId) => [turnId, []]));
    for (const event of stored?.events ?? [])
      if ('turnId' in event && event.turnId !== null && event.type !== 'head.moved')
        wanted.get(event.turnId)?.push(event);
    const siblings = (turnId: string) =>
      [...(stored?.parents ?? [])]
        .filter(([, parent]) => parent === stored?.parents.get(turnId))
        .map(([other]) => other);
    return {
      turns: ids.map((turnId) => ({
        turnId,
        siblings: siblings(turnId),
        events: joinDeltas(wanted.get(turnId) ?? []),
      })),
      older: next,
    };
  }

  readonly #routes: Record<string, Handler> = {
    'server.info': () => ({
      version: '0',
      protocol: 1,
      mode: 'embedded',
      pid: 1,
      startedAt: new Date().toISOString(),
      key: 'set',
      demo: false,
      baseUrl: 'x',
      busyTurns: 0,
    }),
    'usage.report': ({ query }) => usageReport(query['group']),
    'models.list': () => ({ models, default: 'claude-sonnet-4-5' }),
    'conversations.list': ({ query }) => {
      const words = String(query['search'] ?? '').toLowerCase();
      const all = [...this.conversations.values()]
        .map((stored) => stored.summary)
        .filter((entry) => entry.deletedAt === null && entry.title.toLowerCase().includes(words));
      all.sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
      const from = Number(query['cursor'] ?? 0);
      const items = all
        .slice(from, from + 50)
        .map((entry) => (words === '' ? entry : { ...entry, snippet: `...about ${words} in the router` }));
      return { items, next: from + 50 < all.length ? String(from + 50) : null };
    },
    'conversations.create': ({ body }) => this.create(body['id'] ?? '').summary,
    'conversations.get': ({ params, query }) => {
      const id = params['conversationId'] ?? '';
      const stored = this.stored(id);
      return {
        conversation: stored?.summary,
        head: stored?.head,
        lastSeq: stored?.events.length,
        page: this.#page(id, stored?.head ?? null, Number(query['limit'] ?? 20)),
      };
    },
    'turns.list': ({ params, query }) =>
      this.#page(params['conversationId'] ?? '', query['at'] ?? null, Number(query['limit'] ?? 20)),
    'conversations.rename': ({ params, body }) => {
      const stored = this.stored(params['conversationId'] ?? '');
      if (stored) stored.summary = { ...stored.summary, title: String(body['title']) };
      return stored?.summary;
    },
    'conversations.delete': ({ params }) => {
      const stored = this.stored(params['conversationId'] ?? '');
      if (stored) stored.summary = { ...stored.summary, deletedAt: new Date().toISOString() };
    },
    'conversations.restore': ({ params }) => {
      const stored = this.stored(params['conversationId'] ?? '');
      if (stored) stored.summary = { ...stored.summary, deletedAt: null };
      return stored?.summary;
    },
    'conversations.show': ({ params, body }) =>
      this.append(params['conversationId'] ?? '', [{ type: 'head.moved', turnId: body['turnId'] ?? null }]),
    'turns.create': ({ params, body }) => {
      const id = params['conversationId'] ?? '';
      const turnId = String(body['turnId']);
      const busy = this.stored(id)?.summary.busy === true;
      this.append(id, [
        {
          type: 'turn.created',
          turnId,
          parent: body['parent'] ?? null,
          text: String(body['text']),
          attachments: [],
          model: null,
          thinking: false,
        },
      ]);
      if (this.answer && !busy) void this.stream(id, turnId, this.answer);
      else if (!busy) {
        const stored = this.stored(id);
        if (stored) stored.summary.busy = true;
        this.append(id, this.#begin(turnId));
      }
      return { turnId, seq: this.stored(id)?.events.length };
    },
    'turns.stop': ({ params }) => {
      const stored = this.stored(params['conversationId'] ?? '');
      if (stored) stored.summary.busy = false;
      this.append(params['conversationId'] ?? '', [
        { type: 'turn.ended', turnId: params['turnId'] ?? '', outcome: 'stopped' },
      ]);
    },
    'symbols.find': () => ({
      items: [
        { name: 'Router', kind: 'class', path: 'src/router/router.ts', line: 12, endLine: 40 },
        { name: 'matchRoute', kind: 'function', path: 'src/router/match.ts', line: 3, endLine: 9 },
      ],
    }),
    'pages.read': ({ body }) => ({
      kind: 'url',
      path: String(body['url']),
      text: 'Page',
      untrusted: { kind: 'web', name: 'example.com' },
    }),
    'executions.list': ({ query }) => this.sandbox.list(String(query['conversationId'])),
    'executions.get': ({ params }) => this.sandbox.get(params['executionId'] ?? ''),
    'executions.cancel': ({ params }) => this.sandbox.end(params['executionId'] ?? '', { status: 'cancelled' }),
    'snippets.get': () => this.sandbox.snippet(),
    'sandbox.status': () => this.sandbox.status,
    // As on the server, the answer arrives as an event, and only the first one counts.
    'asks.answer': ({ params, body }) => {
      const { conversationId: id = '', turnId = '', callId = '' } = params;
      const events = this.stored(id)?.events ?? [];
      const opened = events.find((event) => event.type === 'ask.opened' && event.callId === callId);
      const known = events.some((event) => event.type === 'ask.answered' && event.callId === callId);
      if (opened?.type !== 'ask.opened' || known || this.holdAnswers) return;
      this.append(id, [{ type: 'ask.answered', turnId, stepId: opened.stepId, callId, answer: AskAnswer.parse(body) }]);
    },
    ...reviewHandlers(this),
    'conversations.branch': ({ body }) => this.create(String(body['id']), 'Branch').summary,
  };

  #edit(action: Extract<PageToHost, { kind: 'editor' }>['action']): unknown {
    if (action.action === 'findFiles') return { paths: this.files.filter((path) => path.includes(action.query)) };
    if (action.action === 'findFolders')
      return { paths: ['src/router', 'src'].filter((p) => p.includes(action.query)) };
    if (action.action === 'findSymbols')
      return { items: [{ name: 'Router', kind: 'class', path: 'src/router/router.ts', line: 12 }] };
    if (action.action === 'readMention') {
      const { mention } = action;
      const path = 'path' in mention ? mention.path : mention.kind === 'git' ? 'staged changes' : 'npm test';
      if (mention.kind === 'problems')
        return { attachments: [], problems: ['No problems have been detected in the workspace.'] };
      const line = mention.kind === 'symbol' ? { startLine: mention.line, endLine: mention.endLine } : {};
      return { attachments: [{ kind: mention.kind, path, ...line, text: 'content' }], problems: [] };
    }
    if (action.action === 'readFiles')
      return { attachments: action.paths.map((path) => ({ kind: 'file', path, text: 'content' })), problems: [] };
    if (action.action === 'readSelection') {
      return {
        attachments: [
          { kind: 'selection', path: 'src/app.ts', language: 'typescript', startLine: 12, endLine: 20, text: 'code' },
        ],
        problems: [],
      };
    }
    if (action.action === 'pickFiles') return { attachments: [], problems: [] };
    return null;
  }
}

declare global {
  interface Window {
    host: PageHost;
    /** Set by the test. Fills `host` before the page sends its first request. */
    prepareHost?: () => void;
    acquireVsCodeApi(): { postMessage(message: PageToHost): void };
  }
}

const host = new PageHost();
window.host = host;
// As in VS Code, messages that leave the page are clones.
window.acquireVsCodeApi = () => ({ postMessage: (message) => host.receive(structuredClone(message)) });
window.prepareHost?.();
