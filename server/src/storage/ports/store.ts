import type { BlobStore } from './blobs.ts';
import type { BudgetStore } from './budgets.ts';
import type { ConversationStore } from './conversations.ts';
import type { EventStore } from './events.ts';
import type { ExecutionStore } from './executions.ts';
import type { InstanceStore } from './instances.ts';
import type { LeaseStore } from './leases.ts';
import type { LedgerStore } from './ledger.ts';
import type { OwnerStore } from './owners.ts';
import type { TokenKeyStore } from './token-keys.ts';
import type { TokenStore } from './tokens.ts';
import type { TurnStore } from './turns.ts';
import type { UserStore } from './users.ts';

/**
 * The port of everything that must survive a restart. Every method is atomic; every failure is a `ProblemError` with
 * code `not_found`, `conflict`, `lease_lost`, `bad_request` (an unknown cursor), `store_busy`, `store_full`,
 * `store_newer`, `store_damaged`, `token_keys_damaged` or `store_unavailable`.
 */
export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  readonly conversations: ConversationStore;
  readonly events: EventStore;
  readonly turns: TurnStore;
  readonly leases: LeaseStore;
  readonly blobs: BlobStore;
  readonly executions: ExecutionStore;
  readonly ledger: LedgerStore;
  readonly budgets: BudgetStore;
  readonly owners: OwnerStore;
  readonly users: UserStore;
  readonly tokens: TokenStore;
  readonly tokenKeys: TokenKeyStore;
  readonly instances: InstanceStore;
  /** Performs the daily upkeep. Safe to call at any time. */
  maintain(): Promise<void>;
  /** Writes pending data and closes the store. Later calls fail with `store_unavailable`. */
  close(): Promise<void>;
}
