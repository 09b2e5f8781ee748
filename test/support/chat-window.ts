import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import { type EditorAction, HostToPage, type SavedView } from '@devlm/protocol/page.ts';
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { applyEvent, emptyConversation } from '@devlm/protocol/reducer.ts';
import { ChatHost, type Post } from '../../extension/src/chat/chat-host.ts';
import { type Credential, ServerConnection } from '../../extension/src/connection/connection.ts';
import { Launcher } from '../../extension/src/connection/launcher.ts';
import type { Translate } from '../../extension/src/ports.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import { Consent } from '../../extension/src/runs/consent.ts';
import { serverBundle as bundle, serverVersion as version } from './extension.ts';

const t: Translate = (text, ...args) => text.replaceAll(/\{(\d)\}/g, (_, index) => String(args[Number(index)]));
const problems = problemsOf(t);

/**
 * A window without VS Code: the real connection, launcher and server, and a page that records the messages posted to
 * it.
 */
export class ChatWindow {
  readonly posted: HostToPage[] = [];
  readonly actions: EditorAction[] = [];
  readonly logged: string[] = [];
  readonly readiness: boolean[] = [];
  readonly connection: ServerConnection;
  readonly host: ChatHost;
  credential: Credential = { apiKey: 'sk-test-0123456789abcdef', baseUrl: null };
  view: SavedView = { conversationId: null, drafts: {}, model: null, thinking: false };
  trusted = true;
  /** The user's answer to the question about the open network, and how often it was asked. */
  agrees = false;
  questions = 0;
  readonly kept = new Map<string, unknown>();
  readonly memento = {
    get: (key: string) => this.kept.get(key),
    update: async (key: string, value: unknown) => void this.kept.set(key, value),
  };
  #nextId = 1;
  post: Post = async (message) => {
    // VS Code does the same on the way to the page.
    this.posted.push(HostToPage.parse(JSON.parse(JSON.stringify(message))));
    return true;
  };

  constructor(dataDir: string, env: NodeJS.ProcessEnv, more: { bundle?: string; version?: string } = {}) {
    const write = (message: string) => void this.logged.push(message);
    const log = { trace: write, debug: write, info: write, warn: write, error: write };
    const own = more.version ?? version;
    const source = new Launcher({ dataDir, bundle: more.bundle ?? bundle, version: own, log, problems, env });
    this.connection = new ServerConnection({
      source,
      credential: async () => this.credential,
      version: own,
      problems,
      log,
      t,
      timing: { firstMs: 20, maxMs: 200, stableMs: 50, graceMs: 200 },
    });
    this.host = new ChatHost({
      connection: this.connection,
      editor: async (action) => {
        this.actions.push(action);
        if (action.action === 'copy') throw new Error('a bug with /secret/path in it');
        return null;
      },
      view: () => this.view,
      settings: () => ({ enterSends: true, showCost: true, expandThinking: false, restricted: false }),
      projectId: () => 'project-1',
      consent: new Consent({
        memento: this.memento,
        isTrusted: () => this.trusted,
        ask: async () => {
          this.questions += 1;
          return this.agrees;
        },
        problems,
      }),
      strings: { Send: 'Senden' },
      onReady: (ready) => void this.readiness.push(ready),
      log,
      t,
    });
    this.host.connect(this.post);
  }

  of<K extends HostToPage['kind']>(kind: K) {
    return this.posted.filter((message): message is Extract<HostToPage, { kind: K }> => message.kind === kind);
  }

  async reply(message: Record<string, unknown>): Promise<Extract<HostToPage, { kind: 'reply' }>> {
    const id = this.#nextId++;
    this.host.receive({ id, ...message });
    for (let waited = 0; waited < 20_000; waited += 5) {
      const found = this.of('reply').find((reply) => reply.id === id);
      if (found) return found;
      await sleep(5);
    }
    throw new Error(`no reply to ${JSON.stringify(message)}`);
  }

  async call(route: string, input: Record<string, unknown> = {}): Promise<unknown> {
    const reply = await this.reply({ kind: 'call', route, input });
    if (!reply.ok) throw new ProblemError(ReceivedProblem.parse(reply.problem));
    return reply.value;
  }

  async ask(text: string, conversationId: string = randomUUID()): Promise<string> {
    await this.call('conversations.create', { body: { id: conversationId } });
    this.host.receive({ kind: 'subscribe', conversationId, after: 0 });
    await this.call('turns.create', {
      params: { conversationId },
      body: { turnId: randomUUID(), parent: null, text },
    });
    return conversationId;
  }

  events(): ReceivedEvent[] {
    return this.of('events').flatMap(({ events }) => events);
  }

  answer(): string {
    const state = this.events().reduce(applyEvent, emptyConversation('c'));
    const turns = Object.values(state.turns);
    return turns.flatMap(({ steps }) => steps.flatMap(({ blocks }) => blocks.map(({ text }) => text))).join('');
  }

  ended(): boolean {
    return this.events().some(({ type }) => type === 'turn.ended');
  }

  dispose(): void {
    this.host.dispose();
    this.connection.dispose();
  }
}
