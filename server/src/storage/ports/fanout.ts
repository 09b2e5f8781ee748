import { Id } from '@devlm/protocol/ids.ts';
import { ServerNotice } from '@devlm/protocol/views.ts';
import * as z from 'zod';

/** What one node tells the others. It may be lost on the way: what matters is in the store. */
export const NodeMessage = z.discriminatedUnion('kind', [
  /** Events were appended: whoever reads the conversation finds them in the store. */
  z.object({ kind: z.literal('appended'), conversationId: Id }),
  /** A list of conversations looks different. */
  z.object({ kind: z.literal('listed'), conversationId: Id }),
  /** Something was spent. */
  z.object({ kind: z.literal('spent') }),
  /** For the windows of a user. */
  z.object({ kind: z.literal('notice'), notice: ServerNotice, userId: z.string() }),
]);
export type NodeMessage = z.infer<typeof NodeMessage>;

/** A message as JSON is no longer than this, characters. */
export const messageChars = 1_000_000;

/** Reaches the other nodes of a team, at once where it can. */
export interface Fanout {
  /** Tells all other nodes, in no certain order. Never waits and never fails: it may be lost. */
  publish(message: NodeMessage): void;
  /** Hears what other nodes publish, not what this one does. It must not throw. */
  onMessage(hear: (message: NodeMessage) => void): Disposable;
}
