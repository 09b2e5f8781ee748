import { useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { announcement, screen } from '../state/app.ts';
import { setDraft } from '../state/drafts.ts';
import type { Suggestion } from './suggestion.ts';
import { suggest, type Trigger, triggerAt } from './suggestions.ts';

/** Pause in typing before files are searched, in milliseconds. */
const debounceMs = 100;

/** The contents of the list above a field. */
interface ListState {
  readonly trigger: Trigger | null;
  readonly list: readonly Suggestion[];
}

const empty: ListState = { trigger: null, list: [] };

/** The suggestions for what is typed at the caret of a text field. */
export interface Suggestions {
  /** Empty while there is nothing to suggest. */
  readonly list: readonly Suggestion[];
  /** Index of the suggestion that Enter accepts. */
  readonly active: number;
  /** Searches again for the text at the caret. */
  refresh(): void;
  close(): void;
  take(item: Suggestion): void;
  /** Moves in the list, accepts an entry or closes it. Returns false for any other key. */
  handleKey(event: KeyboardEvent): boolean;
}

/** Suggests commands and mentions for what is typed in a field. */
export function useSuggestions(field: { readonly current: HTMLTextAreaElement | null }): Suggestions {
  const [{ trigger, list }, setListState] = useState(empty);
  const [active, setActive] = useState(0);
  /** Number of the latest search. Results of earlier searches are dropped. */
  const latest = useRef(0);

  const close = () => {
    latest.current += 1;
    setListState(empty);
  };
  const refresh = () => {
    latest.current += 1;
    const number = latest.current;
    const currentTrigger = field.current && triggerIn(field.current);
    if (!currentTrigger) {
      setListState(empty);
      return;
    }
    const show = async () => {
      if (number !== latest.current) return;
      const items = await suggest(currentTrigger).catch(() => []);
      if (number !== latest.current) return;
      setActive(0);
      setListState({ trigger: currentTrigger, list: items });
      announcement.value = countWords(items.length);
    };
    setTimeout(() => void show(), currentTrigger.kind === 'file' ? debounceMs : 0);
  };
  const take = (item: Suggestion) => {
    const start = trigger?.start ?? 0;
    close();
    item.take((replacement, more = false) => {
      const element = field.current;
      if (!element) return;
      // Change the field directly and at once, so that text typed next follows it, however late the page renders.
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

function countWords(count: number): string {
  if (count === 0) return t('No suggestions');
  return count === 1 ? t('1 suggestion') : t('{0} suggestions', count);
}

/** Returns the text at the caret that a list can complete, or null while text is selected. */
function triggerIn(field: HTMLTextAreaElement): Trigger | null {
  return field.selectionStart === field.selectionEnd ? triggerAt(field.value, field.selectionStart) : null;
}
