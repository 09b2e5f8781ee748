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

/** The executions of an SQL store, compressed and sealed. */
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

/** An execution ready to be stored. It is packed outside of any transaction, because packing takes a while. */
interface PackedExecution {
  readonly record: ExecutionRecord;
  readonly recordData: Uint8Array;
  readonly snippet: Snippet;
  readonly snippetData: Uint8Array;
}

/** Places that records and programs are sealed for. */
const recordSealPlace = 'execution_results';
const snippetSealPlace = 'code_snippets';

/** Maximum size of a packed record after decompression, in bytes. JSON may need six characters for a single one. */
const maxUnpackedBytes = 6 * (limits.executionOutputBytes + limits.executionArtifactBytes + limits.executionInputBytes);

async function packExecution(record: ExecutionRecord, snippet: Snippet, seal: Seal): Promise<PackedExecution> {
  const [recordData, snippetData] = await Promise.all([pack(record), pack(snippet)]);
  return {
    record,
    recordData: seal.close(recordData, recordSealPlace),
    snippet,
    snippetData: seal.close(snippetData, snippetSealPlace),
  };
}

async function writeExecution(tx: Tx, packed: PackedExecution, userId: string): Promise<void> {
  const { record, snippet } = packed;
  await tx
    .insertInto('code_snippets')
    .values({ hash: record.programHash, language: snippet.language, data: packed.snippetData })
    .onConflict((oc) => oc.column('hash').doNothing())
    .execute();
  const { origin } = record;
  const conversation = origin
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
      conversation_id: conversation?.id ?? null,
      turn_id: origin?.turnId ?? null,
      part: origin?.part ?? null,
      ended_at: Date.parse(record.endedAt),
      data: packed.recordData,
    })
    .onConflict((oc) => oc.column('id').doNothing())
    .execute();
}

type PackedRow = Pick<ExecutionResultTable, 'data'> | undefined;

async function findExecution(db: Db, id: string): Promise<PackedRow> {
  if (!isId(id)) return undefined;
  return db.selectFrom('execution_results').select('data').where('id', '=', id).executeTakeFirst();
}

/** Returns the user's newest record with this input, from a program that ended by itself. */
async function findLike(db: Db, inputHash: string, userId: string): Promise<PackedRow> {
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

/** Returns the newest record of each part of a conversation. */
async function findOfConversation(db: Db, conversationId: string): Promise<Pick<ExecutionResultTable, 'data'>[]> {
  if (!isId(conversationId)) return [];
  const candidates = await db
    .selectFrom('execution_results')
    .select(['id', 'turn_id', 'part'])
    .where('conversation_id', '=', conversationId)
    .orderBy('ended_at', 'desc')
    .limit(10 * limits.pageRows)
    .execute();
  const newest = new Map<string, string>();
  for (const { id, turn_id, part } of candidates) {
    const partKey = `${turn_id} ${part}`;
    if (newest.size < limits.pageRows && !newest.has(partKey)) newest.set(partKey, id);
  }
  if (newest.size === 0) return [];
  return db
    .selectFrom('execution_results')
    .select('data')
    .where('id', 'in', [...newest.values()])
    .execute();
}

async function findSnippet(db: Db, hash: string, userId?: string): Promise<PackedRow> {
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
  // Without the lock, `writeExecution` could refer to a program that is deleted here. On SQLite the transaction itself
  // holds the write lock.
  if (kind === 'postgres') await sql`lock table code_snippets in share row exclusive mode`.execute(tx);
  const purged = await tx
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
  return purged.length;
}

function unpackRecord(row: PackedRow, seal: Seal): Promise<ExecutionRecord | null> {
  return unpack(ExecutionRecord, row && seal.open(row.data, recordSealPlace));
}

function unpackSnippet(row: PackedRow, seal: Seal): Promise<Snippet | null> {
  return unpack(Snippet, row && seal.open(row.data, snippetSealPlace));
}

async function pack(value: unknown): Promise<Uint8Array> {
  return promisify(gzip)(JSON.stringify(value));
}

async function unpack<T>(schema: z.ZodType<T>, data: Uint8Array | undefined): Promise<T | null> {
  if (!data) return null;
  try {
    const json = await promisify(gunzip)(data, { maxOutputLength: maxUnpackedBytes });
    return schema.parse(JSON.parse(json.toString()));
  } catch (error) {
    throw storeDamaged('Cannot read the stored record of a run.', error);
  }
}
