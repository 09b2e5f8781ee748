import { highlight, isKnownLanguage } from './languages.ts';
import { sanitize } from './sanitize.ts';

/** Number of characters that are highlighted at a time, which takes about 5 ms on a slow machine. */
const sliceChars = 3_000;
/** Maximum length of highlighted code, in UTF-16 code units. Longer code would take seconds. */
const maxCodeChars = 300_000;

interface HighlightJob {
  readonly element: Element;
  readonly code: string;
  readonly language: string;
}

const queue: HighlightJob[] = [];
let scheduled = false;

/**
 * Highlights the text of a `code` element when the page is idle. Long code is split into slices, before an unindented
 * line that follows an empty one, so that no slice blocks the page.
 */
export function highlightLater(element: Element, language: string): void {
  const text = element.textContent ?? '';
  if (!isKnownLanguage(language) || text.length > maxCodeChars) return;
  if (text.length <= sliceChars) {
    queue.push({ element, code: text, language });
  } else {
    const parts = slices(text).map((code) => {
      const part = document.createElement('span');
      part.className = 'code-part';
      part.textContent = code;
      queue.push({ element: part, code, language });
      return part;
    });
    element.replaceChildren(...parts);
  }
  schedule();
}

/** Splits code into slices of about `sliceChars`. */
function slices(code: string): string[] {
  const parts: string[] = [];
  let start = 0;
  while (code.length - start > sliceChars) {
    const window = code.slice(start, start + 2 * sliceChars);
    const margin = /\n\n(?=[^\s)\]}])/g;
    margin.lastIndex = Math.floor(sliceChars / 2);
    const found = margin.exec(window);
    const line = window.indexOf('\n', sliceChars);
    const length = found ? found.index + 2 : line >= 0 ? line + 1 : window.length;
    parts.push(code.slice(start, start + length));
    start += length;
  }
  if (start < code.length) parts.push(code.slice(start));
  return parts;
}

function schedule(): void {
  if (scheduled || queue.length === 0) return;
  scheduled = true;
  requestIdleCallback(work, { timeout: 1_000 });
}

function work(deadline: IdleDeadline): void {
  scheduled = false;
  do {
    const job = queue.shift();
    // Elements that have left the page need no highlighting.
    if (job?.element.isConnected) job.element.replaceChildren(sanitize(highlight(job.code, job.language)));
  } while (queue.length > 0 && deadline.timeRemaining() > 8);
  schedule();
}
