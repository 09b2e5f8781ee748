import type { AlwaysRule } from '@devlm/protocol/permissions.ts';
import { t } from '../l10n.ts';
import { shownStrictly } from './shown-text.ts';

/** Describes completely what a rule allows. */
export function ruleWords({ tool, path, command, exact, host }: AlwaysRule): string {
  const name = shownStrictly(tool);
  if (command !== undefined)
    return exact
      ? t('exactly the command {0}', shownStrictly(command))
      : t('commands that begin with {0}', shownStrictly(command));
  if (host !== undefined) return t('{0} for the host {1}', name, shownStrictly(host));
  if (path?.endsWith('/*')) return t('{0} for files directly in {1}', name, shownStrictly(path.slice(0, -1)));
  return path === undefined ? t('every use of {0}', name) : t('{0} for {1}', name, shownStrictly(path));
}
