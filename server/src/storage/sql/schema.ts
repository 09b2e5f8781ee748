import type { Generated, Kysely, Transaction } from 'kysely';

/*
 * The tables as of the newest migration. Times are whole milliseconds since 1970. Texts that users or models wrote are
 * stored as JSON, because it escapes U+0000 (which PostgreSQL rejects in a text) and lone surrogates (which UTF-8
 * cannot represent).
 */

/** A conversation with its lease. */
export interface ConversationTable {
  id: string;
  user_id: string;
  /** JSON string. */
  title: string;
  project_id: string | null;
  head: string | null;
  last_seq: number;
  /** Number of turns. */
  turns: number;
  /** Number of turns that have not ended. */
  open_turns: number;
  cost_usd: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
  /** Server that holds the lease on the conversation, and the end of the lease. */
  node: string | null;
  leased_until: number | null;
  /** Number of times that the lease was taken or released. */
  fence: Generated<number>;
}

/** A turn, as projected from its events. */
export interface TurnTable {
  conversation_id: string;
  turn_id: string;
  parent: string | null;
  status: 'queued' | 'running' | 'ended';
  attempts: number;
  created_at: number;
  /** `seq` of its `turn.created` event. */
  created_seq: number;
  /** `seq` of its first event after `turn.created`. */
  started_seq: number | null;
  /** `seq` of its `turn.ended` event, or of its last review event after that. */
  ended_seq: number | null;
}

/** An event of a conversation. */
export interface EventTable {
  conversation_id: string;
  seq: number;
  at: number;
  /** Turn that the event belongs to; null for events of the conversation. */
  turn_id: string | null;
  /** Body of the event as JSON, without `seq` and `at`. */
  data: string;
}

/** A blob. Blobs that no conversation uses are purged. */
export interface BlobTable {
  hash: string;
  media_type: string;
  data: Uint8Array;
  /** Time of the last `put`. A purge must not remove a blob that a message is about to refer to. */
  touched_at: number;
}

/** Use of a blob by a conversation. */
export interface BlobUseTable {
  conversation_id: string;
  hash: string;
}

/** A call to a model and its cost. It outlives its conversation. */
export interface LedgerTable {
  id: Generated<number>;
  /** Milliseconds since 1970. */
  at: number;
  user_id: string;
  project_id: string | null;
  conversation_id: string | null;
  turn_id: string | null;
  purpose: string;
  model: string | null;
  instance: string | null;
  input_tokens: number;
  output_tokens: number;
  /** Part of `output_tokens`. */
  thinking_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** Cost in US dollars; null if the price of the model is unknown. */
  cost_usd: number | null;
  /** Amount that budgets count, in US dollars: the cost, or its upper bound if it is unknown. */
  counted_usd: number;
  latency_ms: number | null;
  first_token_ms: number | null;
  outcome: string;
}

/** A limit on costs. */
export interface BudgetTable {
  id: string;
  scope: string;
  /** Id of the user or project; null: the limit applies to each of them separately. */
  subject: string | null;
  period: string;
  limit_usd: number;
  action: string;
}

/** State of a budget in one period, which starts at `since`. For budgets per turn, `since` is 0. */
export interface BudgetPeriodTable {
  budget_id: string;
  subject: string;
  since: number;
  raised_usd: number;
  /** 0 or 1. */
  warned: number;
}

/** Expected cost of a running call. */
export interface ReservationTable {
  id: string;
  /** Server that makes the call. */
  node: string;
  user_id: string;
  project_id: string | null;
  conversation_id: string | null;
  turn_id: string | null;
  amount_usd: number;
  made_at: number;
  /** Time at which the reservation expires. */
  until: number;
}

/** A user of the server. */
export interface UserTable {
  id: string;
  name: string;
  email: string | null;
  role: string;
  created_at: number;
  disabled_at: number | null;
}

/** Owner of a project: the first user who opened a window or created a folder for it. */
export interface ProjectTable {
  id: string;
  user_id: string;
}

/** An access token that was issued. */
export interface TokenTable {
  id: string;
  user_id: string;
  name: string;
  /** Names of scopes, separated by spaces. */
  scopes: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

/** A key that signs tokens. */
export interface TokenKeyTable {
  kid: string;
  /** Order of the keys: the newest has the highest number. */
  number: number;
  /** Private key as PEM, sealed. */
  data: Uint8Array;
}

/** A Claude credential and endpoint that was added at run time. */
export interface InstanceTable {
  id: string;
  /** A `StoredInstance` as JSON, sealed. */
  data: Uint8Array;
}

/** A text that search covers. Each dialect keeps an index of its words. */
export interface SearchTextTable {
  id: Generated<number>;
  conversation_id: string;
  /** Null for the title of the conversation. */
  turn_id: string | null;
  part: 'title' | 'message' | 'answer';
  text: string;
}

/** An executed program. */
export interface CodeSnippetTable {
  /** SHA-256 of the content of `data`. */
  hash: string;
  language: string;
  /** A `Snippet` as JSON, gzip, sealed. */
  data: Uint8Array;
}

/** The result of an execution. */
export interface ExecutionResultTable {
  id: string;
  user_id: string;
  snippet_hash: string;
  input_hash: string;
  status: string;
  /** Place in a conversation; null for other executions. The result is deleted with the conversation. */
  conversation_id: string | null;
  turn_id: string | null;
  part: string | null;
  ended_at: number;
  /** An `ExecutionRecord` as JSON, gzip, sealed. */
  data: Uint8Array;
}

/** A migration that was applied. Older versions of DevLM read this table too, so it never changes. */
export interface SchemaVersionTable {
  version: number;
  name: string;
  /** Version of DevLM that migrated. */
  made_by: string;
  applied_at: number;
}

/** All tables by name. */
export interface Database {
  conversations: ConversationTable;
  turns: TurnTable;
  events: EventTable;
  blobs: BlobTable;
  blob_uses: BlobUseTable;
  ledger: LedgerTable;
  budgets: BudgetTable;
  budget_periods: BudgetPeriodTable;
  reservations: ReservationTable;
  users: UserTable;
  projects: ProjectTable;
  tokens: TokenTable;
  token_keys: TokenKeyTable;
  instances: InstanceTable;
  search_texts: SearchTextTable;
  code_snippets: CodeSnippetTable;
  execution_results: ExecutionResultTable;
  schema_versions: SchemaVersionTable;
}

/** The database, or a transaction on it. */
export type Db = Kysely<Database>;
/** A transaction. */
export type Tx = Transaction<Database>;
