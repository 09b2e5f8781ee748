import { highlight, isKnownLanguage } from './languages.ts';
import { sanitize } from './sanitize.ts';

/** Characters highlighted in one go; about 5 ms of work on a slow machine. */
const sliceChars = 3_000;
/** Code longer than this stays plain: colouring it would cost seconds. */
const longestCode = 300_000;

interface Job {
  readonly element: Element;
  readonly code: string;
  readonly language: string;
}

const queue: Job[] = [];
let scheduled = false;

/**
 * Colours the text of a `code` element when the page has nothing better to do. Long code is
 * coloured in slices, cut where a line at the margin follows an empty one, so that no slice
 * holds the page up.
 */
export function highlightLater(element: Element, language: string): void {
  const text = element.textContent ?? '';
  if (!isKnownLanguage(language) || text.length > longestCode) return;
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

/** Cuts code into slices of about `sliceChars`; joined they are the code again. */
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
    // What has left the page since needs no colour.
    if (job?.element.isConnected) job.element.replaceChildren(sanitize(highlight(job.code, job.language)));
  } while (queue.length > 0 && deadline.timeRemaining() > 8);
  schedule();
}
