import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { jumps, shownTurns, windowEnd } from '../state/conversation.ts';
import { outgoing } from '../state/outbox.ts';

/** Distance from the end that still counts as the end, in pixels. */
const endDistancePx = 48;
/** Time after a jump to the end in which scrolling is attributed to late layout, not to the user, in milliseconds. */
const settleMs = 1_000;
const userEvents = ['wheel', 'keydown', 'pointerdown', 'touchstart'] as const;

interface ElementRef {
  readonly current: HTMLElement | null;
}

/**
 * Keeps the end of the transcript in view while `content` grows, unless the user has scrolled up. Returns whether
 * `scroller` is at its end.
 */
export function useStickToEnd(scroller: ElementRef, content: ElementRef): Signal<boolean> {
  const stickToEnd = useRef<(() => void) | null>(null);
  const atEnd = useSignal(true);
  /** Time from which scrolling is attributed to the user again, by `performance.now()`. User input sets it to 0. */
  const settlesAt = useRef(0);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    let last = 0;
    const scrollToEnd = () => {
      const hasTurns = shownTurns.peek().length + outgoing.peek().length > 0;
      if (hasTurns && atEnd.peek() && windowEnd.peek() === null) element.scrollTop = element.scrollHeight;
    };
    const onScroll = () => {
      const top = element.scrollTop;
      const distance = element.scrollHeight - element.clientHeight - top;
      // Arriving text also increases the distance; only the user scrolls up.
      if (distance <= endDistancePx) atEnd.value = true;
      else if (performance.now() < settlesAt.current) scrollToEnd();
      else if (top < last - 1) atEnd.value = false;
      last = top;
    };
    const onUserEvent = () => {
      settlesAt.current = 0;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    for (const name of userEvents) element.addEventListener(name, onUserEvent, { passive: true });
    stickToEnd.current = scrollToEnd;
    // Content also grows without new text: images, fonts, highlighted code, the width of the page.
    const observer = new ResizeObserver(scrollToEnd);
    observer.observe(inner);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      for (const name of userEvents) element.removeEventListener(name, onUserEvent);
      observer.disconnect();
    };
  }, []);

  // Scrolling in the task that changed the text, rather than in the next frame, saves every second frame.
  useLayoutEffect(() => stickToEnd.current?.());

  useSignalEffect(() => {
    if (jumps.value === 0) return;
    atEnd.value = true;
    settlesAt.current = performance.now() + settleMs;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  });

  return atEnd;
}
