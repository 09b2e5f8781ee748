import type { Event, EventBody } from '@devlm/protocol/events.ts';
import type { Lease } from './leases.ts';

/** An event before it is stored: the store adds its number and its time. */
export type NewEvent = EventBody;

export interface AppendOptions {
  /** Append only while this lease holds; otherwise the append is refused with `lease_lost`. */
  readonly lease?: Lease | undefined;
  /** Called once the events are committed, which is before they are on the disk. Must not throw. */
  readonly committed?: () => void;
}

/** The events of all conversations. Every method is atomic. */
export interface EventStore {
  /**
   * Appends in one transaction, gives each event the next sequence number, and updates the projections (title,
   * head, turns, usage, and at the end of a turn the search text) from the events.
   *
   * Resolves when the events are on the disk; those of a step in progress, when they are committed.
   * @throws ProblemError `not_found` without the conversation or the event's turn; `conflict` when a `turn.created`
   *   repeats a turn id, or when the turn has ended, except for the events of its review; `lease_lost`
   */
  append(conversationId: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Event[]>;
  /** Returns the events with `seq > after`, in order, at most `limit` of them. */
  read(conversationId: string, after: number, limit: number): Promise<Event[]>;
  /** Returns the number of the last event of each conversation that exists. */
  lastSeqs(conversationIds: readonly string[]): Promise<Map<string, number>>;
}
