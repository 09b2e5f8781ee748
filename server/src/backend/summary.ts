import type { ConversationSummary } from '@devlm/protocol/views.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';

/** Returns a stored conversation without the fields that only the server needs. */
export function summaryOf({
  head: _head,
  lastSeq: _lastSeq,
  userId: _userId,
  ...summary
}: StoredConversation): ConversationSummary {
  return summary;
}
