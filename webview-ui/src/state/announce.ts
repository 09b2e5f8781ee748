import type { ConversationState } from '@devlm/protocol/state.ts';
import { t } from '../l10n.ts';
import { announcement } from './app.ts';

/** Tells a screen reader when an answer begins and how it ended; never what it says meanwhile. */
export function announceTurns(before: ConversationState, after: ConversationState): void {
  for (const turn of Object.values(after.turns)) {
    const was = before.turns[turn.id]?.status;
    if (turn.status === was) continue;
    if (turn.status === 'running') announcement.value = t('DevLM is answering');
    if (turn.status === 'completed') announcement.value = t('Answer finished');
    if (turn.status === 'stopped' && was === 'running') announcement.value = t('Answer stopped');
    if (turn.status === 'failed') announcement.value = t('Answer failed: {0}', turn.problem?.detail ?? '');
  }
}
