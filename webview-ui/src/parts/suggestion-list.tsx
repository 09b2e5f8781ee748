import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { Icon } from './icon.tsx';
import type { Suggestion } from './suggestion.ts';

interface SuggestionListProps {
  id: string;
  items: readonly Suggestion[];
  active: number;
  take(item: Suggestion): void;
}

/**
 * The list above the composer. The focus stays in the text field; the active entry is marked visually and for screen
 * readers.
 */
export function SuggestionList({ id, items, active, take }: SuggestionListProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  return (
    <div class="suggestions" id={id} role="listbox" aria-label={t('Suggestions')} ref={list} tabIndex={-1}>
      {items.map((item, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the text field, which has the focus, handles the keys
        <div
          key={item.id}
          id={`${id}-${index}`}
          class="suggestion"
          role="option"
          tabIndex={-1}
          aria-selected={index === active}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => take(item)}
        >
          <Icon name={item.icon} />
          <span class="suggestion-label">{item.label}</span>
          <span class="suggestion-detail">{item.detail}</span>
        </div>
      ))}
    </div>
  );
}
