import { randomUUID } from 'node:crypto';
import { Event, type NewAttachment } from '@devlm/protocol/events.ts';
import { Id } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { ServerConnection } from '../connection/connection.ts';
import { readChosen } from '../editor/files.ts';
import { displayPath } from '../editor/workspace-paths.ts';
import { participantId } from './names.ts';

const t = vscode.l10n.t;

/** Metadata of an answer, from which the next message continues. */
const TurnRef = z.object({ conversationId: Id, turnId: Id });
type TurnRef = z.infer<typeof TurnRef>;
/** A turn of VS Code's chat that this participant has answered. */
const OwnTurn = z.object({ participant: z.literal(participantId), result: z.object({ metadata: TurnRef }) });

/** The methods of the response stream that the participant uses. */
type ResponseStream = Pick<vscode.ChatResponseStream, 'markdown' | 'progress' | 'button'>;

/** Dependencies of the `Participant`. */
export interface ParticipantOptions {
  readonly connection: Pick<ServerConnection, 'call' | 'follow'>;
  readonly projectId: () => string | null;
}

/** The participant `@devlm` of VS Code's own chat. Its conversations also appear in DevLM's chat. */
export class Participant {
  readonly #options: ParticipantOptions;

  constructor(options: ParticipantOptions) {
    this.#options = options;
  }

  /** Answers a request in the response stream. */
  async answer(
    request: Pick<vscode.ChatRequest, 'prompt' | 'references'>,
    context: { readonly history: readonly object[] },
    stream: ResponseStream,
    signal: AbortSignal,
  ): Promise<vscode.ChatResult> {
    const { connection } = this.#options;
    try {
      const { attachments, problems } = await attachmentsOf(request.references);
      for (const problem of problems) stream.markdown(`> ${problem}\n\n`);
      const { conversationId, parent } = await this.#conversation(context.history);
      const turnId = randomUUID();
      const params = { conversationId };
      const body = { turnId, parent, text: request.prompt.slice(0, limits.messageChars), attachments };
      const { seq } = await connection.call('turns.create', { params, body });
      const turn: TurnRef = { conversationId, turnId };
      const problem = await this.#show(turn, seq, stream, signal);
      return { metadata: turn, ...(problem ? { errorDetails: { message: problem.detail } } : {}) };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      offerHelp(error.problem, stream);
      return { errorDetails: { message: error.problem.detail } };
    }
  }

  /** Returns the conversation of this chat, or creates one. */
  async #conversation(history: readonly object[]): Promise<{ conversationId: string; parent: string | null }> {
    const last = history.flatMap((turn) => OwnTurn.safeParse(turn).data?.result.metadata ?? []).at(-1);
    if (last) return { conversationId: last.conversationId, parent: last.turnId };
    const { connection, projectId } = this.#options;
    const body = { id: randomUUID(), projectId: projectId() };
    return { conversationId: (await connection.call('conversations.create', { body })).id, parent: null };
  }

  /** Streams the turn until it ends. Returns the problem it failed with, if any. */
  async #show(turn: TurnRef, after: number, stream: ResponseStream, signal: AbortSignal): Promise<Problem | undefined> {
    const { connection } = this.#options;
    const done = new AbortController();
    const stop = () => {
      void connection.call('turns.stop', { params: turn }).catch(() => undefined);
      done.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const view = new TurnView(turn, stream);
    try {
      const deliver = async (events: readonly unknown[]) => {
        for (const value of events) {
          const event = Event.safeParse(value).data;
          if (event && view.show(event)) done.abort();
        }
      };
      await connection.follow(turn.conversationId, after, deliver, done.signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
    return view.problem;
  }
}

/** Writes a turn into the response of VS Code's chat. */
class TurnView {
  /** The problem that the turn failed with. */
  problem: Problem | undefined;
  readonly #turn: TurnRef;
  readonly #stream: ResponseStream;
  /** Ids of text blocks, as `step/index`. */
  readonly #textBlocks = new Set<string>();

  constructor(turn: TurnRef, stream: ResponseStream) {
    this.#turn = turn;
    this.#stream = stream;
  }

  /**
   * Writes an event.
   * @returns true if the turn has ended
   */
  show(event: Event): boolean {
    if (!('turnId' in event) || event.turnId !== this.#turn.turnId) return false;
    const stream = this.#stream;
    switch (event.type) {
      case 'block.started':
        if (event.kind === 'text') {
          if (this.#textBlocks.size > 0) stream.markdown('\n\n');
          this.#textBlocks.add(`${event.stepId}/${event.index}`);
        } else if (event.kind === 'tool_call' || event.kind === 'server_tool')
          stream.progress(t('Using {0}', event.tool?.name ?? ''));
        else if (event.kind === 'thinking') stream.progress(t('Thinking'));
        return false;
      case 'block.delta':
        if (this.#textBlocks.has(`${event.stepId}/${event.index}`)) stream.markdown(event.text);
        return false;
      case 'step.abandoned':
        stream.markdown(`\n\n*${t('This part was cut off. It is being requested again.')}*`);
        return false;
      case 'ask.opened': {
        const { ask } = event;
        stream.markdown(`\n\n${ask.kind === 'question' ? ask.question : `**${ask.title}**`}\n\n`);
        const { conversationId } = this.#turn;
        stream.button({ command: 'devlm.openChat', title: t('Answer in DevLM'), arguments: [conversationId] });
        return false;
      }
      case 'turn.ended':
        this.problem = event.problem;
        if (event.problem) offerHelp(event.problem, stream);
        return true;
      default:
        return false;
    }
  }
}

function offerHelp({ action }: Problem, stream: ResponseStream): void {
  if (action === 'set-key') stream.button({ command: 'devlm.setApiKey', title: t('Set API Key...') });
}

/** Returns the files and selections that the user attached in VS Code's chat. */
async function attachmentsOf(references: vscode.ChatRequest['references']) {
  const uris = references.flatMap(({ value }) => (value instanceof vscode.Uri ? [value] : []));
  const { attachments, problems } = await readChosen(uris);
  const selections = references.flatMap(({ value }) => (value instanceof vscode.Location ? [value] : []));
  for (const { uri, range } of selections.slice(0, limits.attachments - attachments.length)) {
    const document = await vscode.workspace.openTextDocument(uri);
    attachments.push({
      kind: 'selection',
      path: displayPath(uri).slice(-4096),
      language: document.languageId.slice(0, 64),
      startLine: range.start.line + 1,
      endLine: range.end.line + 1,
      text: document.getText(range).slice(0, limits.attachmentChars),
    } satisfies NewAttachment);
  }
  return { attachments, problems };
}
