import type { Signal } from '@preact/signals';

/** Root margin within which a turn counts as near the visible area. */
const nearMargin = '1500px 0px';
/** Maximum text of distant turns that stays rendered, in UTF-16 code units. */
const maxFarChars = 20_000;

interface TurnSlot {
  readonly element: HTMLElement;
  readonly mounted: Signal<boolean>;
  near: boolean;
  /** Length of the turn's text. Infinity while it is being written, which keeps it rendered. */
  chars: number;
  height: number;
}

/**
 * Decides which turns are rendered. Turns near the visible area are; distant ones only up to a limit of text, so that
 * the page stays small in long conversations. A removed turn leaves a space of the same height.
 */
export class Mounting {
  readonly #slots = new Map<Element, TurnSlot>();
  #observer: IntersectionObserver | null = null;

  /** Starts observing the scrolling element. Returns a function that stops it. */
  watch(root: HTMLElement): () => void {
    const observer = new IntersectionObserver((entries) => this.#onIntersection(entries), {
      root,
      rootMargin: nearMargin,
    });
    this.#observer = observer;
    for (const element of this.#slots.keys()) observer.observe(element);
    return () => observer.disconnect();
  }

  /** Adds the element of a turn. */
  add(element: HTMLElement, mounted: Signal<boolean>, chars: number): TurnSlot {
    const slot: TurnSlot = { element, mounted, near: mounted.peek(), chars, height: 0 };
    this.#slots.set(element, slot);
    this.#observer?.observe(element);
    return slot;
  }

  /** Removes the element of a turn. */
  remove(element: HTMLElement): void {
    this.#observer?.unobserve(element);
    this.#slots.delete(element);
  }

  #onIntersection(entries: readonly IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const slot = this.#slots.get(entry.target);
      if (!slot) continue;
      slot.near = entry.isIntersecting;
      if (slot.near) slot.mounted.value = true;
      else if (slot.mounted.peek()) slot.height = entry.boundingClientRect.height;
    }
    this.#removeDistant();
  }

  #removeDistant(): void {
    let remainingChars = maxFarChars;
    for (const slot of [...this.#slots.values()].reverse()) {
      if (slot.near || !slot.mounted.peek() || slot.chars === Number.POSITIVE_INFINITY) continue;
      remainingChars -= slot.chars;
      if (remainingChars >= 0 || isInUse(slot.element)) continue;
      slot.element.style.height = `${slot.height || slot.element.offsetHeight}px`;
      slot.mounted.value = false;
    }
  }
}

function isInUse(element: HTMLElement): boolean {
  if (element.contains(document.activeElement)) return true;
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}
