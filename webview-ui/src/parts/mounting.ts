import type { Signal } from '@preact/signals';

/** How far outside the visible part a turn still counts as near. */
const nearby = '1500px 0px';
/** Text of far turns that stays built, in characters; more than that is taken out of the page. */
const farChars = 20_000;

interface Slot {
  readonly element: HTMLElement;
  readonly mounted: Signal<boolean>;
  near: boolean;
  /** Characters of the turn's text; Infinity while it is being written, which keeps it in the page. */
  chars: number;
  height: number;
}

/**
 * Decides which turns are built. All near the visible part are; of those far away only as many
 * as have little text, so that the page stays small however long the conversation is. What was
 * taken out leaves a space of the same height.
 */
export class Mounting {
  readonly #slots = new Map<Element, Slot>();
  #observer: IntersectionObserver | null = null;

  /** Begins to watch, once the scrolling element is there. */
  watch(root: HTMLElement): () => void {
    const observer = new IntersectionObserver((entries) => this.#moved(entries), { root, rootMargin: nearby });
    this.#observer = observer;
    for (const element of this.#slots.keys()) observer.observe(element);
    return () => observer.disconnect();
  }

  /** Adds a turn's element. */
  add(element: HTMLElement, mounted: Signal<boolean>, chars: number): Slot {
    const slot: Slot = { element, mounted, near: mounted.peek(), chars, height: 0 };
    this.#slots.set(element, slot);
    this.#observer?.observe(element);
    return slot;
  }

  remove(element: HTMLElement): void {
    this.#observer?.unobserve(element);
    this.#slots.delete(element);
  }

  #moved(entries: readonly IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const slot = this.#slots.get(entry.target);
      if (!slot) continue;
      slot.near = entry.isIntersecting;
      if (slot.near) slot.mounted.value = true;
      else if (slot.mounted.peek()) slot.height = entry.boundingClientRect.height;
    }
    this.#thin();
  }

  #thin(): void {
    let room = farChars;
    for (const slot of [...this.#slots.values()].reverse()) {
      if (slot.near || !slot.mounted.peek() || slot.chars === Number.POSITIVE_INFINITY) continue;
      room -= slot.chars;
      if (room >= 0 || isInUse(slot.element)) continue;
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
