import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import { sql } from 'kysely';
import type * as z from 'zod';
import type { ExecutionStore } from '../ports/executions.ts';
import type { Store } from '../ports/store.ts';
import { storeDamaged } from '../problems.ts';
import type { Seal } from '../seal.ts';
import type { SqlAccess } from './access.ts';
import { isId } from './rows.ts';
import type { Db, ExecutionResultTable, Tx } from './schema.ts';

/** The executions of a store on SQL, compressed and sealed. */
export class SqlExecutions implements ExecutionStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async save(record: ExecutionRecord, snippet: Snippet, userId = localUser): Promise<void> {
    const packed = await packExecution(record, snippet, this.#sql.seal);
    await this.#sql.write((tx) => writeExecution(tx, packed, userId));
  }

  async get(id: string): Promise<ExecutionRecord | null> {
    return unpackRecord(await this.#sql.read((db) => findExecution(db, id)), this.#sql.seal);
  }

  async findLike(inputHash: string, userId = localUser): Promise<ExecutionRecord | null> {
    return unpackRecord(await this.#sql.read((db) => findLike(db, inputHash, userId)), this.#sql.seal);
  }

  async listOf(conversationId: string): Promise<ExecutionRecord[]> {
    const rows = await this.#sql.read((db) => findOfConversation(db, conversationId));
    const records = await Promise.all(rows.map((row) => unpackRecord(row, this.#sql.seal)));
    return records.filter((record) => record !== null);
  }

  async snippet(hash: string, userId?: string): Promise<Snippet | null> {
    return unpackSnippet(await this.#sql.read((db) => findSnippet(db, hash, userId)), this.#sql.seal);
  }

  purge(before: Date): Promise<number> {
    return this.#sql.write((tx) => purgeExecutions(tx, this.#sql.kind, before));
  }
}

/** An execution on its way into the store. Packed outside of any transaction: it takes a while. */
interface PackedExecution {
  readonly record: ExecutionRecord;
  readonly recordData: Uint8Array;
  readonly snippet: Snippet;
  readonly snippetData: Uint8Array;
}

/** What the two are sealed for. */
const recordPlace = 'execution_results';
const snippetPlace = 'code_snippets';

/** What a packed record can hold at most: JSON may write six characters for one. */
const unpackedBytes = 6 * (limits.executionOutputBytes + limits.executionArtifactBytes + limits.executionInputBytes);

async function packExecution(record: ExecutionRecord, snippet: Snippet, seal: Seal): Promise<PackedExecution> {
  const [recordData, snippetData] = await Promise.all([pack(record), pack(snippet)]);
  return {
    record,
    recordData: seal.close(recordData, recordPlace),
    snippet,
    snippetData: seal.close(snippetData, snippetPlace),
  };
}

async function writeExecution(tx: Tx, packed: PackedExecution, userId: string): Promise<void> {
  const { record, snippet } = packed;
  await tx
    .insertInto('code_snippets')
    .values({ hash: record.programHash, language: snippet.language, data: packed.snippetData })
    .onConflict((known) => known.column('hash').doNothing())
    .execute();
  const { origin } = record;
  const known = origin
    ? await tx.selectFrom('conversations').select('id').where('id', '=', origin.conversationId).executeTakeFirst()
    : undefined;
  await tx
    .insertInto('execution_results')
    .values({
      id: record.id,
      user_id: userId,
      snippet_hash: record.programHash,
      input_hash: record.inputHash,
      status: record.status,
      // The conversation may have been purged while the program ran.
      conversation_id: known?.id ?? null,
      turn_id: origin?.turnId ?? null,
      part: origin?.part ?? null,
      ended_at: Date.parse(record.endedAt),
      data: packed.recordData,
    })
    .onConflict((same) => same.column('id').doNothing())
    .execute();
}

type Packed = Pick<ExecutionResultTable, 'data'> | undefined;

async function findExecution(db: Db, id: string): Promise<Packed> {
  if (!isId(id)) return undefined;
  return db.selectFrom('execution_results').select('data').where('id', '=', id).executeTakeFirst();
}

/** The user's newest one of the same input that ended by itself. */
async function findLike(db: Db, inputHash: string, userId: string): Promise<Packed> {
  return db
    .selectFrom('execution_results')
    .select('data')
    .where('input_hash', '=', inputHash)
    .where('user_id', '=', userId)
    .where('status', 'in', ['ok', 'failed'])
    .orderBy('ended_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Of the newest runs of a conversation, the newest of each part. */
async function findOfConversation(db: Db, conversationId: string): Promise<Pick<ExecutionResultTable, 'data'>[]> {
  if (!isId(conversationId)) return [];
  const rows = await db
    .selectFrom('execution_results')
    .select(['id', 'turn_id', 'part'])
    .where('conversation_id', '=', conversationId)
    .orderBy('ended_at', 'desc')
    .limit(10 * limits.pageRows)
    .execute();
  const newest = new Map<string, string>();
  for (const { id, turn_id, part } of rows) {
    const place = `${turn_id} ${part}`;
    if (newest.size < limits.pageRows && !newest.has(place)) newest.set(place, id);
  }
  if (newest.size === 0) return [];
  return db
    .selectFrom('execution_results')
    .select('data')
    .where('id', 'in', [...newest.values()])
    .execute();
}

async function findSnippet(db: Db, hash: string, userId?: string): Promise<Packed> {
  let query = db.selectFrom('code_snippets').select('data').where('hash', '=', hash);
  if (userId !== undefined)
    query = query.where('hash', 'in', (eb) =>
      eb
        .selectFrom('execution_results')
        .select('snippet_hash')
        .where('snippet_hash', '=', hash)
        .where('user_id', '=', userId),
    );
  return query.executeTakeFirst();
}

async function purgeExecutions(tx: Tx, kind: Store['kind'], before: Date): Promise<number> {
  // Until the end, no program is found there that is gone a moment later. On SQLite the transaction itself holds the
  // write lock.
  if (kind === 'postgres') await sql`lock table code_snippets in share row exclusive mode`.execute(tx);
  const gone = await tx
    .deleteFrom('execution_results')
    .where('ended_at', '<', before.getTime())
    .returning('id')
    .execute();
  await tx
    .deleteFrom('code_snippets')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('execution_results')
            .select('execution_results.id')
            .whereRef('execution_results.snippet_hash', '=', 'code_snippets.hash'),
        ),
      ),
    )
    .execute();
  return gone.length;
}

function unpackRecord(row: Packed, seal: Seal): Promise<ExecutionRecord | null> {
  return unpack(ExecutionRecord, row && seal.open(row.data, recordPlace));
}

function unpackSnippet(row: Packed, seal: Seal): Promise<Snippet | null> {
  return unpack(Snippet, row && seal.open(row.data, snippetPlace));
}

async function pack(value: unknown): Promise<Uint8Array> {
  return promisify(gzip)(JSON.stringify(value));
}

async function unpack<T>(schema: z.ZodType<T>, data: Uint8Array | undefined): Promise<T | null> {
  if (!data) return null;
  try {
    const json = await promisify(gunzip)(data, { maxOutputLength: unpackedBytes });
    return schema.parse(JSON.parse(json.toString()));
  } catch (error) {
    throw storeDamaged('A record of a run cannot be read.', error);
  }
}
