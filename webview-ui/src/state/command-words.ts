import type { CommandNews } from '@devlm/protocol/commands.ts';
import { t } from '../l10n.ts';

/** How a command was last known to do, as far as that is worth a word. */
export function commandNote({ state, exitCode, signal }: CommandNews): string {
  if (state === 'running') return t('in the background');
  if (signal !== null) return t('ended by {0}', signal);
  return exitCode === null || exitCode === 0 ? '' : t('exit code {0}', exitCode);
}
