import { FilesAnswer } from '@devlm/protocol/page.ts';
import { t } from '../l10n.ts';
import { canSend, stop } from '../state/actions.ts';
import { attempt } from '../state/app.ts';
import { openCount, runningTurn } from '../state/conversation.ts';
import { attach, draft } from '../state/drafts.ts';
import { transport } from '../transport.ts';
import { attachSelection } from './attaching.ts';
import { Icon, IconButton } from './icon.tsx';
import { MenuButton } from './menu.tsx';
import { Meter } from './meter.tsx';
import { ModelPicker, ThinkingToggle } from './model-picker.tsx';

/** The toolbar below the message, with its options and the send button. */
export function ComposerTools() {
  const { text, attachments } = draft.value;
  const running = runningTurn.value !== null;
  return (
    <div class="composer-tools" role="toolbar" aria-label={t('Message tools')}>
      <MenuButton
        label={t('Attach')}
        side="above"
        items={[
          { label: t('Files...'), icon: 'files', run: () => void attempt(pickFiles) },
          { label: t('Selection'), icon: 'list-selection', run: attachSelection },
        ]}
      >
        <Icon name="add" />
      </MenuButton>
      <ModelPicker />
      <ThinkingToggle />
      <span class="composer-gap" />
      <Meter />
      {running && <IconButton icon="debug-stop" label={t('Stop (Escape)')} class="icon-button stop" onClick={stop} />}
      {(!running || text.trim() !== '' || attachments.length > 0) && <SendButton />}
    </div>
  );
}

function SendButton() {
  const label = openCount.value > 0 ? t('Queue') : t('Send');
  return (
    <button type="submit" class="icon-button send" disabled={!canSend.value} title={label} aria-label={label}>
      <Icon name="send" />
    </button>
  );
}

async function pickFiles(): Promise<void> {
  attach(FilesAnswer.parse(await transport.editor({ action: 'pickFiles' })));
}
