import type { TurnState } from '@devlm/protocol/state.ts';
import { t } from '../l10n.ts';
import { Icon } from './icon.tsx';
import { Plain } from './plain.tsx';

/** Notes about background commands that the model received before a step. */
export function CommandNotes({ notes, step }: { notes: TurnState['notes']; step: number }) {
  return (notes ?? [])
    .filter((note) => note.kind === 'commands' && note.step === step)
    .map(({ text }, index) => (
      <details key={index} class="command-note">
        <summary>
          <Icon name="terminal" /> {t('Sent the status of background commands to the model')}
        </summary>
        <Plain label={t('Output')} text={text} />
      </details>
    ));
}
