import type { ConversationState } from '@devlm/protocol/state.ts';
import { t } from '../l10n.ts';
import { announcement } from './app.ts';

/** Announces the start and the end of answers to screen readers, but not their text. */
export function announceTurns(before: ConversationState, after: ConversationState): void {
  for (const turn of Object.values(after.turns)) {
    const previous = before.turns[turn.id]?.status;
    if (turn.status === previous) continue;
    if (turn.status === 'running') announcement.value = t('DevLM is answering');
    if (turn.status === 'completed') announcement.value = t('Answer finished');
    if (turn.status === 'stopped' && previous === 'running') announcement.value = t('Answer stopped');
    if (turn.status === 'failed') announcement.value = t('Answer failed: {0}', turn.problem?.detail ?? '');
  }
}
