import { randomUUID } from 'node:crypto';
import { Event, type NewAttachment } from '@devlm/protocol/events.ts';
import { Id } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { ServerConnection } from '../connection/connection.ts';
import { readChosen } from '../editor/files.ts';
import { label } from '../editor/workspace-paths.ts';
import { participantId } from './names.ts';

const t = vscode.l10n.t;

/** What of an answer is kept with it: the next message goes on from there. */
const Place = z.object({ conversationId: Id, turnId: Id });
type Place = z.infer<typeof Place>;
/** A turn of the other chat that was answered here. */
const Ours = z.object({ participant: z.literal(participantId), result: z.object({ metadata: Place }) });

/** What is written of an answer. */
type ResponseStream = Pick<vscode.ChatResponseStream, 'markdown' | 'progress' | 'button'>;

export interface ParticipantOptions {
  readonly connection: Pick<ServerConnection, 'call' | 'follow'>;
  readonly projectId: () => string | null;
}

/** `@devlm` in VS Code's own chat: a conversation of DevLM's, to be seen in both places. */
export class Participant {
  readonly #options: ParticipantOptions;

  constructor(options: ParticipantOptions) {
    this.#options = options;
  }

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
      const place: Place = { conversationId, turnId };
      const problem = await this.#show(place, seq, stream, signal);
      return { metadata: place, ...(problem ? { errorDetails: { message: problem.detail } } : {}) };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      offerHelp(error.problem, stream);
      return { errorDetails: { message: error.problem.detail } };
    }
  }

  /** The conversation that this chat has had so far, or a new one. */
  async #conversation(history: readonly object[]): Promise<{ conversationId: string; parent: string | null }> {
    const last = history.flatMap((turn) => Ours.safeParse(turn).data?.result.metadata ?? []).at(-1);
    if (last) return { conversationId: last.conversationId, parent: last.turnId };
    const { connection, projectId } = this.#options;
    const body = { id: randomUUID(), projectId: projectId() };
    return { conversationId: (await connection.call('conversations.create', { body })).id, parent: null };
  }

  /** Shows a turn as it goes, to its end. */
  async #show(place: Place, after: number, stream: ResponseStream, signal: AbortSignal): Promise<Problem | undefined> {
    const { connection } = this.#options;
    const ended = new AbortController();
    const stop = () => {
      void connection.call('turns.stop', { params: place }).catch(() => undefined);
      ended.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const view = new TurnView(place, stream);
    try {
      const deliver = async (events: readonly unknown[]) => {
        for (const value of events) {
          const event = Event.safeParse(value).data;
          if (event && view.show(event)) ended.abort();
        }
      };
      await connection.follow(place.conversationId, after, deliver, ended.signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
    return view.problem;
  }
}

/** One turn as it is written into the answer of VS Code's chat. */
class TurnView {
  /** Why it failed, once it has. */
  problem: Problem | undefined;
  readonly #place: Place;
  readonly #stream: ResponseStream;
  /** Blocks that are prose, as `step/index`. */
  readonly #prose = new Set<string>();

  constructor(place: Place, stream: ResponseStream) {
    this.#place = place;
    this.#stream = stream;
  }

  /** @returns true when nothing follows */
  show(event: Event): boolean {
    if (!('turnId' in event) || event.turnId !== this.#place.turnId) return false;
    const stream = this.#stream;
    switch (event.type) {
      case 'block.started':
        if (event.kind === 'text') {
          if (this.#prose.size > 0) stream.markdown('\n\n');
          this.#prose.add(`${event.stepId}/${event.index}`);
        } else if (event.kind === 'tool_call' || event.kind === 'server_tool')
          stream.progress(t('Using {0}', event.tool?.name ?? ''));
        else if (event.kind === 'thinking') stream.progress(t('Thinking'));
        return false;
      case 'block.delta':
        if (this.#prose.has(`${event.stepId}/${event.index}`)) stream.markdown(event.text);
        return false;
      case 'step.abandoned':
        stream.markdown(`\n\n*${t('This part was cut off and is asked for again.')}*`);
        return false;
      case 'ask.opened': {
        const { ask } = event;
        stream.markdown(`\n\n${ask.kind === 'question' ? ask.question : `**${ask.title}**`}\n\n`);
        const { conversationId } = this.#place;
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

/** Files and selections that the person attached in VS Code's chat. */
async function attachmentsOf(references: vscode.ChatRequest['references']) {
  const uris = references.flatMap(({ value }) => (value instanceof vscode.Uri ? [value] : []));
  const { attachments, problems } = await readChosen(uris);
  const selections = references.flatMap(({ value }) => (value instanceof vscode.Location ? [value] : []));
  for (const { uri, range } of selections.slice(0, limits.attachments - attachments.length)) {
    const document = await vscode.workspace.openTextDocument(uri);
    attachments.push({
      kind: 'selection',
      path: label(uri).slice(-4096),
      language: document.languageId.slice(0, 64),
      startLine: range.start.line + 1,
      endLine: range.end.line + 1,
      text: document.getText(range).slice(0, limits.attachmentChars),
    } satisfies NewAttachment);
  }
  return { attachments, problems };
}
