import type { BlockState, TurnState } from '@devlm/protocol/state.ts';
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { Answer } from './answer.tsx';
import { memo } from './memo.ts';
import type { Mounting } from './mounting.ts';
import { UserMessage } from './user-message.tsx';

interface TurnProps {
  turn: TurnState;
  mounting: Mounting;
  /** Position in the feed, 1-based. */
  index: number;
  /** Number of turns in the feed, or -1 if it is unknown. */
  total: number;
  /** Whether the turn is rendered from the start, rather than when it comes near. */
  initiallyMounted: boolean;
}

/** Returns the visible length of a block. Of a tool call, only a line is visible. */
function visibleChars({ kind, text }: BlockState): number {
  return kind === 'text' ? text.length : Math.min(text.length, 60);
}

function textChars(turn: TurnState): number {
  if (turn.status === 'running' || turn.status === 'queued') return Number.POSITIVE_INFINITY;
  return turn.steps.reduce(
    (sum, step) => sum + step.blocks.reduce((chars, block) => chars + visibleChars(block), 0),
    turn.text.length,
  );
}

/** A message and its answer. Far from the visible area it is replaced by a space of the same height. */
export const Turn = memo(({ turn, mounting, index, total, initiallyMounted }: TurnProps) => {
  const chars = textChars(turn);
  const mounted = useSignal(initiallyMounted || !Number.isFinite(chars));
  const article = useRef<HTMLElement>(null);
  const slot = useRef<ReturnType<Mounting['add']> | null>(null);
  useLayoutEffect(() => {
    const element = article.current;
    if (!element) return;
    // Estimated height before the first rendering: 60 characters per line of 20 pixels.
    if (!mounted.peek()) element.style.height = `${80 + Math.ceil(chars / 60) * 20}px`;
    slot.current = mounting.add(element, mounted, chars);
    return () => mounting.remove(element);
  }, []);
  useLayoutEffect(() => {
    if (slot.current) slot.current.chars = chars;
  }, [chars]);
  useLayoutEffect(() => {
    if (mounted.value && article.current) article.current.style.height = '';
  }, [mounted.value]);
  return (
    <article
      class="turn"
      ref={article}
      tabIndex={-1}
      aria-posinset={index}
      aria-setsize={total}
      aria-label={t('Message {0}', turn.text.slice(0, 80))}
    >
      {mounted.value && <UserMessage turn={turn} />}
      {mounted.value && <Answer turn={turn} />}
    </article>
  );
});
