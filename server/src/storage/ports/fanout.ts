import { Id } from '@devlm/protocol/ids.ts';
import { ServerNotice } from '@devlm/protocol/views.ts';
import * as z from 'zod';

/** Message from one node to the others. It may be lost: the data that it refers to is in the store. */
export const NodeMessage = z.discriminatedUnion('kind', [
  /** Events were appended to the conversation and can be read from the store. */
  z.object({ kind: z.literal('appended'), conversationId: Id }),
  /** The conversation has changed in the list of conversations. */
  z.object({ kind: z.literal('listed'), conversationId: Id }),
  /** Costs were recorded in the ledger. */
  z.object({ kind: z.literal('spent') }),
  /** A notice for all windows of a user. */
  z.object({ kind: z.literal('notice'), notice: ServerNotice, userId: z.string() }),
]);
export type NodeMessage = z.infer<typeof NodeMessage>;

/** Maximum length of a message as JSON, in characters. */
export const maxMessageChars = 1_000_000;

/** Broadcast of messages to the other nodes of a team. */
export interface Fanout {
  /**
   * Sends a message to all other nodes. Order is not guaranteed. Returns at once and never fails, but the message may
   * be lost.
   */
  publish(message: NodeMessage): void;
  /** Calls the listener with the messages of other nodes. The listener must not throw. Dispose to stop. */
  onMessage(listener: (message: NodeMessage) => void): Disposable;
}
