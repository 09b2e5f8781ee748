import type { Generated, Kysely, Transaction } from 'kysely';

/*
 * The tables as the newest migration leaves them. Times are whole milliseconds since 1970.
 * Texts that a person or a model wrote are kept as JSON: it escapes U+0000, which PostgreSQL
 * refuses in a text, and lone surrogates, which UTF-8 cannot hold.
 */

export interface ConversationTable {
  id: string;
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
  conversation_id: string | null;
  purpose: string;
  model: string | null;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** Null when the model's price is not known. */
  cost_usd: number | null;
  latency_ms: number | null;
  first_token_ms: number | null;
  outcome: string;
}

/** Tokens that were given out. */
export interface TokenTable {
  id: string;
  name: string;
  /** Names, with spaces between them. */
  scopes: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
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
  tokens: TokenTable;
  search_texts: SearchTextTable;
  code_snippets: CodeSnippetTable;
  execution_results: ExecutionResultTable;
  schema_versions: SchemaVersionTable;
}

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;
