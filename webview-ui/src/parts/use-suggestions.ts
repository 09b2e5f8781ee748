import { useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { announcement, screen } from '../state/app.ts';
import { setDraft } from '../state/drafts.ts';
import type { Suggestion } from './suggestion.ts';
import { suggest, type Trigger, triggerAt } from './suggestions.ts';

/** Pause in typing after which files are looked for, in milliseconds. */
const suggestMs = 100;

/** What the list above a field shows. */
interface Shown {
  readonly trigger: Trigger | null;
  readonly list: readonly Suggestion[];
}

const nothing: Shown = { trigger: null, list: [] };

/** The suggestions for what is typed at the caret of a text field. */
export interface Suggestions {
  /** Empty while there is nothing to suggest. */
  readonly list: readonly Suggestion[];
  /** Index of the suggestion that Enter takes. */
  readonly active: number;
  /** Looks again for what fits at the caret. */
  refresh(): void;
  close(): void;
  take(item: Suggestion): void;
  /** Moves in the list, takes from it or closes it. Returns false for a key that does none of this. */
  handleKey(event: KeyboardEvent): boolean;
}

/** Suggests commands and mentions for what is typed in a field. */
export function useSuggestions(field: { readonly current: HTMLTextAreaElement | null }): Suggestions {
  const [{ trigger, list }, setShown] = useState(nothing);
  const [active, setActive] = useState(0);
  /** Number of the latest search: what an earlier one finds is not shown. */
  const latest = useRef(0);

  const close = () => {
    latest.current += 1;
    setShown(nothing);
  };
  const refresh = () => {
    latest.current += 1;
    const mine = latest.current;
    const found = field.current && triggerIn(field.current);
    if (!found) {
      setShown(nothing);
      return;
    }
    const show = async () => {
      if (mine !== latest.current) return;
      const items = await suggest(found).catch(() => []);
      if (mine !== latest.current) return;
      setActive(0);
      setShown({ trigger: found, list: items });
      announcement.value = items.length === 0 ? t('Nothing fits') : t('{0} suggestions', items.length);
    };
    setTimeout(() => void show(), found.kind === 'file' ? suggestMs : 0);
  };
  const take = (item: Suggestion) => {
    const start = trigger?.start ?? 0;
    close();
    item.take((replacement, more = false) => {
      const element = field.current;
      if (!element) return;
      // In the field itself and at once: what is typed next stands behind it, however late it is drawn.
      element.setRangeText(replacement, start, element.selectionStart, 'end');
      setDraft({ text: element.value });
      if (more) refresh();
    });
    if (screen.value === 'chat') field.current?.focus();
  };
  const handleKey = (event: KeyboardEvent) => {
    const chosen = list[active];
    if (list.length === 0) return false;
    if (event.key === 'ArrowDown') setActive((active + 1) % list.length);
    else if (event.key === 'ArrowUp') setActive((active - 1 + list.length) % list.length);
    else if (chosen && !event.shiftKey && (event.key === 'Enter' || event.key === 'Tab')) take(chosen);
    else if (event.key === 'Escape') close();
    else return false;
    return true;
  };
  return { list, active, refresh, close, take, handleKey };
}

/** Returns what a list can complete at the caret; null while text is selected. */
function triggerIn(field: HTMLTextAreaElement): Trigger | null {
  return field.selectionStart === field.selectionEnd ? triggerAt(field.value, field.selectionStart) : null;
}
