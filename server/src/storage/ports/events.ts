import type { Event, EventBody } from '@devlm/protocol/events.ts';
import type { Lease } from './leases.ts';

/** An event before it is stored. The store adds its sequence number and time. */
export type NewEvent = EventBody;

/** Options of `EventStore.append`. */
export interface AppendOptions {
  /** Lease that must hold; otherwise the append fails with `lease_lost`. Default: none is required. */
  readonly lease?: Lease | undefined;
  /** Called when the events are committed, which is before they are on disk. Must not throw. */
  readonly committed?: () => void;
}

/** The events of all conversations. Every method is atomic. */
export interface EventStore {
  /**
   * Appends events in one transaction, assigns sequence numbers, and updates the projections (title, head, turns, usage,
   * and at the end of a turn the search text).
   *
   * Resolves when the events are on disk; for events of a step in progress, when they are committed.
   * @throws ProblemError `not_found` if the conversation or the turn of an event does not exist; `conflict` if a
   *   `turn.created` repeats a turn id or the turn has ended, except for the events of its review; `lease_lost`
   */
  append(conversationId: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Event[]>;
  /** Returns the events with `seq > after`, in order, at most `limit` of them. */
  read(conversationId: string, after: number, limit: number): Promise<Event[]>;
  /** Returns the last sequence number of each conversation that exists. */
  lastSeqs(conversationIds: readonly string[]): Promise<Map<string, number>>;
}
