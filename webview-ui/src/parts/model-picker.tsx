import { tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { attempt, loadModels, model, models, pickedModel, thinking } from '../state/app.ts';
import { saveSoon } from '../state/drafts.ts';
import { Icon, IconButton } from './icon.tsx';
import { MenuButton, type MenuItem } from './menu.tsx';
import { modelPickerRequests } from './problem-card.tsx';

/** The picker of the model for the next message. */
export function ModelPicker() {
  const available = models.value;
  const label = model.value?.name ?? pickedModel.value ?? t('Model');
  const pick = (id: string | null) => () => {
    pickedModel.value = id;
    saveSoon();
  };
  const items: MenuItem[] = available
    ? available.list.map((entry) => ({
        label: entry.name,
        detail: entry.contextTokens === null ? '' : t('{0} context', tokens(entry.contextTokens)),
        checked: entry.id === (pickedModel.value ?? available.default),
        run: pick(entry.id === available.default ? null : entry.id),
      }))
    : [{ label: t('The models are not loaded yet'), disabled: true, run: () => undefined }];
  return (
    <MenuButton
      label={t('Model: {0}', label)}
      side="above"
      class="text-button model-button"
      openRequests={modelPickerRequests.value}
      onOpen={() => void attempt(loadModels)}
      items={items}
    >
      <span class="model-name">{label}</span>
      <Icon name="chevron-down" />
    </MenuButton>
  );
}

/** The toggle for thinking before the answer. */
export function ThinkingToggle() {
  const isSupported = model.value?.thinking ?? true;
  return (
    <IconButton
      icon="lightbulb"
      label={isSupported ? t('Thinking') : t('This model does not support thinking')}
      pressed={thinking.value && isSupported}
      disabled={!isSupported}
      onClick={() => {
        thinking.value = !thinking.value;
        saveSoon();
      }}
    />
  );
}
