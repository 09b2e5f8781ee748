import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { jumps, shownTurns, windowEnd } from '../state/conversation.ts';
import { outgoing } from '../state/outbox.ts';

/** Largest distance from the end that counts as being there, in pixels. */
const nearEnd = 48;
/** Time after a jump to the end in which scrolling counts as late layout, not as the user's doing, in milliseconds. */
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
  /** When scrolling counts as the user's again, by `performance.now()`. Anything that the user does sets it to 0. */
  const settles = useRef(0);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    let last = 0;
    const toEnd = () => {
      const hasTurns = shownTurns.peek().length + outgoing.peek().length > 0;
      if (hasTurns && atEnd.peek() && windowEnd.peek() === null) element.scrollTop = element.scrollHeight;
    };
    const onScroll = () => {
      const top = element.scrollTop;
      const distance = element.scrollHeight - element.clientHeight - top;
      // Text that arrives also makes the distance grow; only a user goes up.
      if (distance <= nearEnd) atEnd.value = true;
      else if (performance.now() < settles.current) toEnd();
      else if (top < last - 1) atEnd.value = false;
      last = top;
    };
    const byUser = () => {
      settles.current = 0;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    for (const name of userEvents) element.addEventListener(name, byUser, { passive: true });
    stickToEnd.current = toEnd;
    // For all that grows by itself: images, fonts, code that is coloured, the page's own width.
    const observer = new ResizeObserver(toEnd);
    observer.observe(inner);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      for (const name of userEvents) element.removeEventListener(name, byUser);
      observer.disconnect();
    };
  }, []);

  // Scrolling in the task that changed the text, and not in the frame after it, saves every second frame.
  useLayoutEffect(() => stickToEnd.current?.());

  useSignalEffect(() => {
    if (jumps.value === 0) return;
    atEnd.value = true;
    settles.current = performance.now() + settleMs;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  });

  return atEnd;
}
