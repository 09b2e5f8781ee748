import type { CommandNews } from '@devlm/protocol/commands.ts';
import { t } from '../l10n.ts';

/** Describes the last known state of a command. Returns an empty string for a successful one. */
export function commandNote({ state, exitCode, signal }: CommandNews): string {
  if (state === 'running') return t('in the background');
  if (signal !== null) return t('ended by {0}', signal);
  return exitCode === null || exitCode === 0 ? '' : t('exit code {0}', exitCode);
}
