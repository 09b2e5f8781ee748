import { createHash } from 'node:crypto';
import type { Attachment, NewAttachment } from '@devlm/protocol/events.ts';
import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { addTurns, emptyConversation, joinDeltas, shownPath } from '@devlm/protocol/reducer.ts';
import type { Aside } from '@devlm/protocol/review.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { TurnPage } from '@devlm/protocol/views.ts';
import type * as z from 'zod';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import { hasPlaceholder, type Secrets } from '../actions/secrets/secrets.ts';
import { learnEnvFiles } from '../actions/secrets/uses.ts';
import { isEnvFile } from '../actions/secrets/values.ts';
import type { Turns } from '../agent/turns.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { toMarkdown } from './export.ts';
import { Reviews } from './reviews.ts';
import { summaryOf } from './summary.ts';

export interface ConversationsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly turns: Turns;
  readonly workspaces: Workspaces;
  readonly secrets: ConversationSecrets;
  /** Tells every window about a change that is not an event of the conversation's own log. */
  readonly changed: (conversationId: string) => void;
}

/** A window that does not answer must not hold back a message for long, milliseconds. */
const envWaitMs = 1_000;
/** How far back in the log a restore is looked for. */
const asideEvents = 50;

/** Who calls. */
interface Caller {
  readonly identity: { readonly user: string };
}

/** The handlers of the routes about conversations and turns. */
export function conversationHandlers({ store, log, turns, workspaces, secrets, changed }: ConversationsDeps) {
  /** @throws ProblemError `not_found`, also for a deleted one unless asked for */
  const existing = async (id: string, deletedToo = false): Promise<StoredConversation> => {
    const row = await store.conversations.get(id);
    if (!row || (row.deletedAt && !deletedToo)) throw notFound('conversation');
    return row;
  };
  const existingTurn = async (conversationId: string, turnId: string) => {
    const row = await store.turns.get(conversationId, turnId);
    if (!row) throw notFound('message');
    return row;
  };
  /** Up to event `lastSeq`: what is appended while this is read comes with the stream. */
  const page = async (
    conversationId: string,
    at: string | null,
    limit: number,
    lastSeq = Number.MAX_SAFE_INTEGER,
  ): Promise<TurnPage> => {
    if (at === null) return { turns: [], older: null };
    const { turns: records, older } = await store.turns.branchOf(conversationId, at, limit);
    return {
      turns: records.map(({ turnId, siblings, events }) => ({
        turnId,
        siblings: [...siblings],
        events: joinDeltas(events.filter(({ seq }) => seq <= lastSeq)),
      })),
      older,
    };
  };
  const reviews = new Reviews({ store, log, workspaces });
  const fullBranch = async (conversationId: string, head: string | null, turns = Number.MAX_SAFE_INTEGER) => {
    if (head === null) return [];
    const { turns: records } = await store.turns.branchOf(conversationId, head, turns);
    return shownPath(addTurns(emptyConversation(conversationId), records), head).turns;
  };
  /** What makes credentials of a message known that do not look like one. */
  const learnFrom = async (own: Secrets, projectId: string | null, body: RouteChecked<'turns.create'>['body']) => {
    for (const attachment of body.attachments)
      if (attachment.kind !== 'image' && isEnvFile(attachment.path)) own.addEnvFile(attachment.text);
    if (projectId === null || !workspaces.attached(projectId)) return;
    const soon = AbortSignal.timeout(envWaitMs);
    await workspaces
      .workspace(projectId, soon)
      .then((workspace) => learnEnvFiles(workspace, own, soon))
      .catch(() => undefined);
  };
  const createTurn = async ({ params, body }: RouteChecked<'turns.create'>) => {
    const { conversationId } = params;
    const conversation = await existing(conversationId);
    if (body.parent !== null) await existingTurn(conversationId, body.parent);
    // The model is told what became of the files.
    if (conversation.projectId !== null && workspaces.attached(conversation.projectId))
      await reviews.settle(conversationId);
    await turns.assertRoom(conversation);
    const own = await secrets.of(conversationId);
    await learnFrom(own, conversation.projectId, body);
    const attachments = (await toAttachments(store, conversationId, body)).map((each) => hiddenAttachment(own, each));
    if (body.text.trim() === '' && attachments.length === 0)
      throw invalidMessage('empty_message', 'Nothing to send', 'Write a message or attach something.');
    const { turnId, parent, model, thinking, task, compact } = body;
    const text = own.hide(body.text);
    const marks = { ...(task ? { task } : {}), ...(compact ? { compact } : {}) };
    const events = [
      { type: 'turn.created' as const, turnId, parent, text, attachments, model, thinking, ...marks },
      ...(conversation.title === ''
        ? [{ type: 'conversation.renamed' as const, title: titleFrom(text, attachments), by: 'server' as const }]
        : []),
    ];
    // The model is asked while the message is on its way to the disk. The person hears of it once it is there.
    const committed = () => turns.enqueue(conversationId, turnId, conversation.projectId);
    const [created] = await log.append(conversationId, events, { committed });
    return { turnId, seq: created?.seq ?? 0 };
  };

  return {
    'conversations.list': ({ query }: RouteChecked<'conversations.list'>, { identity }: Caller) =>
      store.conversations.list({ ...query, userId: identity.user }),

    'conversations.create': async ({ body }: RouteChecked<'conversations.create'>, { identity }: Caller) => {
      workspaces.assertOwn(body.projectId, identity.user);
      const title = (await secrets.of(body.id)).hide(body.title).slice(0, limits.titleChars);
      const created = await store.conversations.create({ ...body, title, userId: identity.user });
      changed(created.id);
      return created;
    },

    'conversations.get': async ({ params, query }: RouteChecked<'conversations.get'>) => {
      const { conversationId } = params;
      const row = await existing(conversationId);
      const { head, lastSeq } = row;
      const shown = await page(conversationId, head, query.limit, lastSeq);
      return {
        conversation: summaryOf(row),
        head,
        lastSeq,
        page: shown,
        aside: await asideOf(store, conversationId, lastSeq),
      };
    },

    'conversations.rename': async ({ params, body }: RouteChecked<'conversations.rename'>) => {
      await existing(params.conversationId);
      await log.append(params.conversationId, [{ type: 'conversation.renamed', title: body.title, by: 'person' }]);
      return summaryOf(await existing(params.conversationId));
    },

    'conversations.delete': async ({ params }: RouteChecked<'conversations.delete'>) => {
      const { projectId } = await existing(params.conversationId, true);
      // What nobody can see any more should not go on costing money.
      await store.conversations.setDeleted(params.conversationId, true);
      await turns.stopAll(params.conversationId);
      if (projectId !== null) workspaces.stopCommands(projectId, params.conversationId);
      changed(params.conversationId);
    },

    'conversations.restore': async ({ params }: RouteChecked<'conversations.restore'>) => {
      await existing(params.conversationId, true);
      await store.conversations.setDeleted(params.conversationId, false);
      changed(params.conversationId);
      return summaryOf(await existing(params.conversationId));
    },

    'conversations.branch': async ({ params, body }: RouteChecked<'conversations.branch'>) => {
      await existing(params.conversationId);
      await existingTurn(params.conversationId, body.turnId);
      const branched = await store.conversations.branch(
        { conversationId: params.conversationId, turnId: body.turnId },
        body.id,
      );
      changed(branched.id);
      return branched;
    },

    'conversations.show': async ({ params, body }: RouteChecked<'conversations.show'>) => {
      const { head } = await existing(params.conversationId);
      await existingTurn(params.conversationId, body.turnId);
      const turnId = await store.turns.newestBelow(params.conversationId, body.turnId);
      if (turnId !== head) await log.append(params.conversationId, [{ type: 'head.moved', turnId }]);
    },

    'conversations.export': async ({ params }: RouteChecked<'conversations.export'>) => {
      const { head, title } = await existing(params.conversationId);
      return { title, markdown: toMarkdown(title, await fullBranch(params.conversationId, head)) };
    },

    'turns.list': async ({ params, query }: RouteChecked<'turns.list'>) => {
      await existing(params.conversationId);
      await existingTurn(params.conversationId, query.at);
      return page(params.conversationId, query.at, query.limit);
    },

    'turns.create': async (input: RouteChecked<'turns.create'>) => {
      try {
        return await createTurn(input);
      } catch (error) {
        // The same request came twice: its answer was lost on the way.
        const known = await store.turns.get(input.params.conversationId, input.body.turnId);
        if (known) return { turnId: known.turnId, seq: known.createdSeq };
        throw error;
      }
    },

    'turns.stop': async ({ params }: RouteChecked<'turns.stop'>) => {
      await existingTurn(params.conversationId, params.turnId);
      await turns.stop(params.conversationId, params.turnId);
    },

    'asks.answer': async ({ params, body }: RouteChecked<'asks.answer'>) => {
      const { conversationId, turnId, callId } = params;
      await existing(conversationId);
      const turn = (await fullBranch(conversationId, turnId, 1)).at(-1);
      const step = turn?.steps.find(({ calls }) => calls[callId]?.ask);
      const call = step?.calls[callId];
      if (!step || !call?.ask) throw notFound('question');
      if (call.answer) return;
      if (turn?.status !== 'running') throw conflict('The turn has ended. Nobody waits for this answer any more.');
      if (call.ask.kind !== body.kind) throw conflict('This answers another kind of question.');
      await log.append(conversationId, [{ type: 'ask.answered', turnId, stepId: step.id, callId, answer: body }]);
    },

    'files.preview': (input: RouteChecked<'files.preview'>, { signal }: { signal: AbortSignal }) =>
      reviews.preview(input, signal),
    'files.restore': (input: RouteChecked<'files.restore'>, { signal }: { signal: AbortSignal }) =>
      reviews.restore(input, signal),
    'changes.hunks': (input: RouteChecked<'changes.hunks'>) => reviews.hunks(input),
    'changes.review': (input: RouteChecked<'changes.review'>, { signal }: { signal: AbortSignal }) =>
      reviews.review(input, signal),
    'changes.undo': (input: RouteChecked<'changes.undo'>, { signal }: { signal: AbortSignal }) =>
      reviews.undo(input, signal),

    'blobs.get': async ({ params }: RouteChecked<'blobs.get'>, { identity }: Caller) => {
      const blob = await store.blobs.get(params.hash, identity.user);
      if (!blob) throw notFound('image');
      return { mediaType: blob.mediaType, data: Buffer.from(blob.data).toString('base64') };
    },
  };
}

/** Turns that a restore has set aside, if nothing was sent since. Only names and decisions come between. */
async function asideOf(store: Store, conversationId: string, lastSeq: number): Promise<Aside | null> {
  const tail = await store.events.read(conversationId, Math.max(0, lastSeq - asideEvents), asideEvents);
  const last = tail.findLast(({ seq, type }) => seq <= lastSeq && (type === 'head.moved' || type === 'turn.created'));
  return last?.type === 'head.moved' ? (last.aside ?? null) : null;
}

/** Stores the images of a message, and takes over those of an earlier one where asked. */
async function toAttachments(
  store: Store,
  conversationId: string,
  body: RouteChecked<'turns.create'>['body'],
): Promise<Attachment[]> {
  const attachments: Attachment[] = [];
  if (body.attachmentsOf !== undefined) {
    const { turns } = await store.turns.branchOf(conversationId, body.attachmentsOf, 1);
    const earlier = addTurns(emptyConversation(conversationId), turns).turns[body.attachmentsOf];
    attachments.push(...(earlier?.attachments ?? []));
  }
  for (const attachment of body.attachments) attachments.push(await toAttachment(store, attachment));
  if (attachments.length > limits.attachments)
    throw invalidMessage(
      'too_many_attachments',
      'Too many attachments',
      `At most ${limits.attachments} can be sent with a message.`,
    );
  return attachments;
}

/** An attachment without credentials, which says what the file held. */
function hiddenAttachment(secrets: Secrets, attachment: Attachment): Attachment {
  if (attachment.kind === 'image') return attachment;
  const { hash: known, ...rest } = attachment;
  const text = secrets.hide(rest.text);
  if (text !== rest.text) return { ...rest, text, hash: createHash('sha256').update(rest.text).digest('hex') };
  // Of an attachment of an earlier message.
  return known !== undefined && hasPlaceholder(text) ? attachment : rest;
}

function invalidMessage(code: string, title: string, detail: string): ProblemError {
  return new ProblemError({ code, status: 422, title, detail });
}

async function toAttachment(store: Store, attachment: NewAttachment): Promise<Attachment> {
  if (attachment.kind !== 'image') return attachment;
  const { name } = attachment;
  const data = Buffer.from(attachment.data, 'base64');
  // What a file is called is no proof; the API refuses an image that is not what it is said to be.
  const mediaType = imageTypeOf(data);
  if (!mediaType)
    throw invalidMessage('not_an_image', 'Not an image', `${name} is not a PNG, JPEG, GIF or WebP image.`);
  return { kind: 'image', name, mediaType, blob: await store.blobs.put({ mediaType, data }), bytes: data.length };
}

/** By the first bytes of the file; undefined when it is none of the four that the API takes. */
function imageTypeOf(data: Buffer): z.infer<typeof ImageMediaType> | undefined {
  const head = data.subarray(0, 12).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (/^GIF8[79]a/.test(head)) return 'image/gif';
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp';
  return undefined;
}

/** The first line of the first message, cut at a word. */
function titleFrom(text: string, attachments: readonly Attachment[]): string {
  const first = attachments[0];
  const line =
    text.trim().split('\n', 1)[0]?.trim() || (first && (first.kind === 'image' ? first.name : first.path)) || '';
  if (line.length <= 60) return line;
  const cut = line
    .slice(0, 60)
    .toWellFormed()
    .replace(/\ufffd$/, '');
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 40)).trimEnd()}…`;
}

function notFound(what: string): ProblemError {
  return new ProblemError({
    code: 'not_found',
    status: 404,
    title: 'Not found',
    detail: `There is no such ${what}, or it was deleted.`,
  });
}

function conflict(detail: string): ProblemError {
  return new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
}
