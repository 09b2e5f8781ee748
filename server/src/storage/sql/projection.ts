import { type Event, noTokens } from '@devlm/protocol/events.ts';
import { addTurns, answerText, emptyConversation, joinDeltas } from '@devlm/protocol/reducer.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import type { NewEvent } from '../ports/events.ts';
import type { Permit } from '../ports/leases.ts';
import type { LedgerCall } from '../ports/ledger.ts';
import { conflict, leaseLost, notFound } from '../problems.ts';
import { writeCall } from './ledger.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { chunks, eventsOfTurns } from './rows.ts';
import type { ConversationTable, EventTable, SearchTextTable, TurnTable, Tx } from './schema.ts';
import { searchable, wordsOf } from './search-text.ts';
import type { SqlDialect } from './sql-dialect.ts';

/** An event about to be appended, without its sequence number. */
export interface EventDraft {
  /** Time of the event, in milliseconds since 1970. */
  readonly at: number;
  readonly body: NewEvent;
}

const updateConversation = prepared((db, { id, count, change, more, fence }: Placeholders<ConversationChange>) =>
  db
    .updateTable('conversations')
    .set((eb) => ({
      ...change,
      last_seq: eb('last_seq', '+', count),
      ...(more.turns ? { turns: eb('turns', '+', more.turns) } : {}),
      ...(more.open_turns ? { open_turns: eb('open_turns', '+', more.open_turns) } : {}),
      ...(more.cost_usd ? { cost_usd: eb('cost_usd', '+', more.cost_usd) } : {}),
    }))
    .where('id', '=', id)
    .$if(fence !== undefined, (query) => (fence ? query.where('fence', '=', fence) : query))
    .returning(['last_seq', 'project_id', 'user_id']),
);
const insertEvents = prepared((db, { rows }: Placeholders<{ rows: EventTable[] }>) =>
  db.insertInto('events').values(rows),
);
const turnsById = prepared((db, values: Placeholders<{ conversationId: string; ids: string[] }>) =>
  db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', values.conversationId)
    .where('turn_id', 'in', values.ids),
);
const insertTurns = prepared((db, { rows }: Placeholders<{ rows: TurnTable[] }>) =>
  db.insertInto('turns').values(rows),
);
const updateTurn = prepared((db, { conversation_id, turn_id, ...change }: Placeholders<TurnChange>) =>
  db.updateTable('turns').set(change).where('conversation_id', '=', conversation_id).where('turn_id', '=', turn_id),
);
const insertSearchText = prepared((db, row: Placeholders<Omit<SearchTextTable, 'id'>>) =>
  db.insertInto('search_texts').values(row).returning('id'),
);
const deleteTitles = prepared((db, { conversationId }: Placeholders<{ conversationId: string }>) =>
  db.deleteFrom('search_texts').where('conversation_id', '=', conversationId).where('part', '=', 'title'),
);

/** Change to the row of a conversation that a batch of events causes. */
interface ConversationChange {
  readonly id: string;
  /** Number of events in the batch. */
  readonly count: number;
  /** New values of columns. */
  readonly change: Partial<Pick<ConversationTable, 'head' | 'title' | 'updated_at'>>;
  /** Amounts added to the counters. */
  readonly more: Partial<Pick<ConversationTable, 'turns' | 'open_turns' | 'cost_usd'>>;
  /** Fence that the row must have for the change to apply. Default: any. */
  readonly fence?: number;
}

type TurnChange = Pick<TurnTable, 'conversation_id' | 'turn_id' | 'status' | 'attempts' | 'started_seq' | 'ended_seq'>;

/**
 * Appends events to a conversation and updates everything that is derived from them. The update of the conversation
 * comes first: it assigns the sequence numbers and makes every other writer of this conversation wait for the end of
 * the transaction.
 * @param options.copied whether the events are copies of another conversation's, whose costs are already counted;
 *   default: false
 * @param options.permit permit of the writer's lease; default: true, no lease is required
 * @throws ProblemError `not_found`, `conflict`, `lease_lost` if the permit is false or has another fence than the row
 */
export async function writeEvents(
  tx: Tx,
  dialect: SqlDialect,
  conversationId: string,
  drafts: readonly EventDraft[],
  { copied = false, permit = true }: { copied?: boolean; permit?: Permit | undefined } = {},
): Promise<Event[]> {
  const [conversation] =
    permit === false
      ? []
      : await updateConversation(tx, {
          id: conversationId,
          count: drafts.length,
          change: changeOf(drafts, copied),
          more: increaseOf(drafts),
          ...(permit === true ? {} : permit),
        });
  if (!conversation) {
    const exists = await tx
      .selectFrom('conversations')
      .select('id')
      .where('id', '=', conversationId)
      .executeTakeFirst();
    throw exists ? leaseLost() : notFound('conversation');
  }

  const turns = await ReferencedTurns.read(tx, conversationId, drafts);
  const rows: EventTable[] = [];
  const events: Event[] = [];
  let seq = conversation.last_seq - drafts.length;
  for (const { at, body } of drafts) {
    seq++;
    const turnId = turns.apply(body, seq, at);
    rows.push({ conversation_id: conversationId, seq, at, turn_id: turnId, data: JSON.stringify(body) });
    events.push({ seq, at: new Date(at).toISOString(), ...body });
  }
  for (const part of chunks(rows)) await insertEvents(tx, { rows: part });
  await turns.write(tx);
  for (const draft of drafts) {
    await writeBlobUses(tx, conversationId, draft.body);
    const { user_id: userId, project_id: projectId } = conversation;
    if (!copied) await writeUsage(tx, { userId, conversationId, projectId }, draft);
    await writeSearchTexts(tx, dialect, conversationId, draft.body, turns);
  }
  return events;
}

/** Indexes a text of a conversation for search. A text without words is not stored. */
export async function addSearchText(
  tx: Tx,
  dialect: SqlDialect,
  row: Pick<SearchTextTable, 'conversation_id' | 'turn_id' | 'part' | 'text'>,
): Promise<void> {
  const text = searchable(row.text);
  const words = wordsOf(text);
  if (words.length === 0) return;
  for (const { id } of await insertSearchText(tx, { ...row, text })) await dialect.indexWords(tx, id, words);
}

function changeOf(drafts: readonly EventDraft[], copied: boolean): ConversationChange['change'] {
  const change: ConversationChange['change'] = {};
  for (const { at, body } of drafts) {
    if (body.type === 'turn.created' || body.type === 'head.moved') change.head = body.turnId;
    if (body.type === 'conversation.renamed') change.title = JSON.stringify(body.title);
    // Deltas do not change the history list, and its index should not be rewritten 25 times a second.
    if (!copied && historyEvents.has(body.type)) change.updated_at = at;
  }
  return change;
}

/** Types of events that count as a change to a conversation in the history list. */
const historyEvents: ReadonlySet<NewEvent['type']> = new Set(['conversation.renamed', 'turn.created', 'turn.ended']);

function increaseOf(drafts: readonly EventDraft[]): ConversationChange['more'] {
  let created = 0;
  let ended = 0;
  let cost = 0;
  for (const { body } of drafts) {
    if (body.type === 'turn.created') created++;
    else if (body.type === 'turn.ended') ended++;
    else cost += chargeOf(body)?.costUsd ?? 0;
  }
  return {
    ...(created === 0 ? {} : { turns: created }),
    ...(created === ended ? {} : { open_turns: created - ended }),
    ...(cost === 0 ? {} : { cost_usd: cost }),
  };
}

/**
 * Types of events that belong to a turn and follow its end. They advance `ended_seq`, because the events of a turn are
 * selected by it.
 */
const eventsAfterEnd: ReadonlySet<NewEvent['type']> = new Set(['review.started', 'review.marked', 'review.ended']);

/** The turns that a batch of events refers to. Checks the events against them and writes changed turns back. */
class ReferencedTurns {
  readonly #conversationId: string;
  readonly #rows: Map<string, TurnTable>;
  readonly #added = new Set<string>();
  readonly #changed = new Set<string>();

  private constructor(conversationId: string, rows: readonly TurnTable[]) {
    this.#conversationId = conversationId;
    this.#rows = new Map(rows.map((row) => [row.turn_id, row]));
  }

  static async read(tx: Tx, conversationId: string, drafts: readonly EventDraft[]): Promise<ReferencedTurns> {
    const ids = new Set<string>();
    for (const { body } of drafts) {
      if ('turnId' in body && body.turnId !== null) ids.add(body.turnId);
      if (body.type === 'turn.created' && body.parent !== null) ids.add(body.parent);
    }
    const rows: TurnTable[] = [];
    for (const part of chunks([...ids])) rows.push(...(await turnsById(tx, { conversationId, ids: part })));
    return new ReferencedTurns(conversationId, rows);
  }

  get(turnId: string): TurnTable {
    const row = this.#rows.get(turnId);
    if (!row) throw notFound('message');
    return row;
  }

  /**
   * Checks an event and applies it.
   * @returns the id of the turn that the event belongs to, or null
   * @throws ProblemError `conflict`, `not_found`
   */
  apply(body: NewEvent, seq: number, at: number): string | null {
    switch (body.type) {
      case 'conversation.created':
        throw conflict('The conversation already exists.');
      case 'conversation.renamed':
        return null;
      case 'head.moved':
        if (body.turnId !== null) this.get(body.turnId);
        return null;
      case 'turn.created':
        if (this.#rows.has(body.turnId)) throw conflict('A message with this id already exists in the conversation.');
        if (body.parent !== null) this.get(body.parent);
        this.#added.add(body.turnId);
        this.#rows.set(body.turnId, {
          conversation_id: this.#conversationId,
          turn_id: body.turnId,
          parent: body.parent,
          status: 'queued',
          attempts: 0,
          created_at: at,
          created_seq: seq,
          started_seq: null,
          ended_seq: null,
        });
        return body.turnId;
      default: {
        const row = this.get(body.turnId);
        const afterEnd = eventsAfterEnd.has(body.type);
        if (row.status === 'ended' && !afterEnd) throw conflict('The turn has already ended.');
        if (row.status !== 'ended' && afterEnd) throw conflict('The turn has not ended yet.');
        const next = { ...row, started_seq: row.started_seq ?? seq, ended_seq: afterEnd ? seq : row.ended_seq };
        if (body.type === 'turn.started') Object.assign(next, { status: 'running', attempts: body.attempt });
        if (body.type === 'turn.ended') Object.assign(next, { status: 'ended', ended_seq: seq });
        if (afterEnd || row.started_seq === null || body.type === 'turn.started' || body.type === 'turn.ended') {
          this.#changed.add(body.turnId);
          this.#rows.set(body.turnId, next);
        }
        return body.turnId;
      }
    }
  }

  async write(tx: Tx): Promise<void> {
    const added = [...this.#added].map((id) => this.get(id));
    for (const part of chunks(added)) await insertTurns(tx, { rows: part });
    for (const id of this.#changed) {
      if (this.#added.has(id)) continue;
      const { conversation_id, turn_id, status, attempts, started_seq, ended_seq } = this.get(id);
      await updateTurn(tx, { conversation_id, turn_id, status, attempts, started_seq, ended_seq });
    }
  }
}

type Charge = Omit<LedgerCall, 'at' | 'userId' | 'projectId' | 'conversationId' | 'turnId'>;

/**
 * Returns the cost of a step, or of a tool that calls a model; null for other events. An abandoned step has a cost too.
 */
function chargeOf(body: NewEvent): Charge | null {
  if (body.type === 'tool.ended') {
    const { costUsd, call } = body.details ?? {};
    if (costUsd === undefined && !call) return null;
    const cost = costUsd ?? null;
    return {
      purpose: 'search',
      model: call?.model ?? null,
      instance: call?.instance ?? null,
      usage: call?.usage ?? noTokens,
      costUsd: cost,
      countedUsd: cost ?? call?.countedUsd ?? 0,
      latencyMs: call?.latencyMs ?? null,
      firstTokenMs: null,
      outcome: 'answered',
    };
  }
  if (body.type !== 'step.ended' && body.type !== 'step.abandoned') return null;
  // Steps that call no model, such as a question to the user, end as well.
  if (!body.usage || (body.costUsd === 0 && Object.values(body.usage).every((count) => count === 0))) return null;
  const cost = body.costUsd ?? null;
  return {
    purpose: body.purpose ?? 'chat',
    model: body.model ?? null,
    instance: body.instance ?? null,
    usage: body.usage,
    costUsd: cost,
    countedUsd: cost ?? body.countedUsd ?? 0,
    latencyMs: body.latencyMs ?? null,
    firstTokenMs: body.firstTokenMs ?? null,
    outcome: body.type === 'step.abandoned' || body.stopReason === 'stopped' ? 'cut' : 'answered',
  };
}

async function writeUsage(
  tx: Tx,
  conversation: Pick<LedgerCall, 'userId' | 'projectId' | 'conversationId'>,
  { at, body }: EventDraft,
): Promise<void> {
  const charge = chargeOf(body);
  if (!charge) return;
  const turnId = 'turnId' in body ? body.turnId : null;
  await writeCall(tx, { at, ...conversation, turnId, ...charge });
}

/** Returns the hashes of the blobs that an event refers to. They are kept as long as its conversation. */
function blobsOf(body: NewEvent): string[] {
  switch (body.type) {
    case 'turn.created':
      return body.attachments.flatMap((attachment) => (attachment.kind === 'image' ? [attachment.blob] : []));
    case 'tool.started':
      return blobHashesOf(body.changes);
    case 'tool.ended':
      return [...blobHashesOf(body.details?.changes), ...(body.details?.images ?? []).map(({ blob }) => blob)];
    case 'review.started':
      return [
        ...blobHashesOf(body.review.changes),
        ...[...body.review.marks, ...body.review.previous]
          .flatMap(({ files }) => files.flatMap(({ base, now }) => [base, now]))
          .filter((hash) => hash !== null),
      ];
    default:
      return [];
  }
}

function blobHashesOf(changes: readonly FileChange[] | undefined): string[] {
  return (changes ?? []).flatMap(({ before, after }) => [before, after]).filter((hash) => hash !== null);
}

async function writeBlobUses(tx: Tx, conversationId: string, body: NewEvent): Promise<void> {
  const uses = blobsOf(body).map((hash) => ({ conversation_id: conversationId, hash }));
  if (uses.length === 0) return;
  await tx
    .insertInto('blob_uses')
    .values(uses)
    .onConflict((oc) => oc.doNothing())
    .execute();
}

async function writeSearchTexts(
  tx: Tx,
  dialect: SqlDialect,
  conversationId: string,
  body: NewEvent,
  turns: ReferencedTurns,
): Promise<void> {
  const row = { conversation_id: conversationId, turn_id: null };
  if (body.type === 'conversation.renamed') {
    await deleteTitles(tx, { conversationId });
    await addSearchText(tx, dialect, { ...row, part: 'title', text: body.title });
  } else if (body.type === 'turn.created') {
    await addSearchText(tx, dialect, { ...row, turn_id: body.turnId, part: 'message', text: body.text });
  } else if (body.type === 'turn.ended') {
    const turn = turns.get(body.turnId);
    const events = (await eventsOfTurns(tx, conversationId, [turn])).get(body.turnId) ?? [];
    const record = { turnId: body.turnId, siblings: [], events: joinDeltas(events) };
    const state = addTurns(emptyConversation(conversationId), [record]).turns[body.turnId];
    if (state) {
      await addSearchText(tx, dialect, { ...row, turn_id: body.turnId, part: 'answer', text: answerText(state) });
    }
  }
}
