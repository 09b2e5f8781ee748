import type { Generated, Kysely, Transaction } from 'kysely';

/*
 * The tables as the newest migration leaves them. Times are whole milliseconds since 1970.
 * Texts that a person or a model wrote are kept as JSON: it escapes U+0000, which PostgreSQL
 * refuses in a text, and lone surrogates, which UTF-8 cannot hold.
 */

export interface ConversationTable {
  id: string;
  user_id: string;
  /** JSON string. */
  title: string;
  project_id: string | null;
  head: string | null;
  last_seq: number;
  /** How many there are. */
  turns: number;
  /** How many of them have not ended. */
  open_turns: number;
  cost_usd: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
  /** The server that runs its turns, until then. */
  node: string | null;
  leased_until: number | null;
  /** How often that was decided anew. */
  fence: Generated<number>;
}

export interface TurnTable {
  conversation_id: string;
  turn_id: string;
  parent: string | null;
  status: 'queued' | 'running' | 'ended';
  attempts: number;
  created_at: number;
  /** `seq` of its `turn.created`, of its first event after that, and of its `turn.ended`. */
  created_seq: number;
  started_seq: number | null;
  ended_seq: number | null;
}

export interface EventTable {
  conversation_id: string;
  seq: number;
  at: number;
  /** The turn that it is a part of; null for what belongs to the conversation. */
  turn_id: string | null;
  /** The event's body as JSON, without `seq` and `at`. */
  data: string;
}

export interface BlobTable {
  hash: string;
  media_type: string;
  data: Uint8Array;
  /** When it was last put: a purge must not take what a message is about to refer to. */
  touched_at: number;
}

export interface BlobUseTable {
  conversation_id: string;
  hash: string;
}

/** What was spent, call by call. Outlives its conversation. */
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
  /** Of the output. */
  thinking_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** Null when the model's price is not known. */
  cost_usd: number | null;
  /** What budgets count: the cost, or the dearest that it could be where it is not known. */
  counted_usd: number;
  latency_ms: number | null;
  first_token_ms: number | null;
  outcome: string;
}

/** What may be spent. */
export interface BudgetTable {
  id: string;
  scope: string;
  /** The user or the project; null: each of them. */
  subject: string | null;
  period: string;
  limit_usd: number;
  action: string;
}

/** What became of a budget in a period that began then; of a turn's, 0. */
export interface BudgetPeriodTable {
  budget_id: string;
  subject: string;
  since: number;
  raised_usd: number;
  /** 0 or 1. */
  warned: number;
}

/** What calls under way are expected to cost. */
export interface ReservationTable {
  id: string;
  /** The server that makes the call. */
  node: string;
  user_id: string;
  project_id: string | null;
  conversation_id: string | null;
  turn_id: string | null;
  amount_usd: number;
  made_at: number;
  /** When it lapses. */
  until: number;
}

/** Who may use the server. */
export interface UserTable {
  id: string;
  name: string;
  email: string | null;
  role: string;
  created_at: number;
  disabled_at: number | null;
}

/** Whose window or folder came first. */
export interface ProjectTable {
  id: string;
  user_id: string;
}

/** Tokens that were given out. */
export interface TokenTable {
  id: string;
  user_id: string;
  name: string;
  /** Names, with spaces between them. */
  scopes: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

/** A key that signs tokens. */
export interface TokenKeyTable {
  kid: string;
  /** The newest has the greatest. */
  number: number;
  /** Its private key as PEM, sealed. */
  data: Uint8Array;
}

/** A Claude credential and endpoint that was added at run time. */
export interface InstanceTable {
  id: string;
  /** A `StoredInstance` as JSON, sealed. */
  data: Uint8Array;
}

/** What a search can find. Each dialect keeps an index of the words beside it. */
export interface SearchTextTable {
  id: Generated<number>;
  conversation_id: string;
  /** Null for the conversation's title. */
  turn_id: string | null;
  part: 'title' | 'message' | 'answer';
  text: string;
}

/** A program that was run. */
export interface CodeSnippetTable {
  /** SHA-256 of what `data` holds. */
  hash: string;
  language: string;
  /** A `Snippet` as JSON, gzip. */
  data: Uint8Array;
}

/** What came of a run. */
export interface ExecutionResultTable {
  id: string;
  user_id: string;
  snippet_hash: string;
  input_hash: string;
  status: string;
  /** Where in a chat it belongs; null for others. It goes with its conversation. */
  conversation_id: string | null;
  turn_id: string | null;
  part: string | null;
  ended_at: number;
  /** An `ExecutionRecord` as JSON, gzip. */
  data: Uint8Array;
}

/** One row a migration. Read by older versions too, so it never changes. */
export interface SchemaVersionTable {
  version: number;
  name: string;
  /** The version of DevLM that migrated. */
  made_by: string;
  applied_at: number;
}

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

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;
