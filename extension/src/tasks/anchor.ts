/** A range of a text from `start` to `end`, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A change of a text by offset, which refers to the text before the change event. */
export interface OffsetChange {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/**
 * Returns the range after changes outside it, or null if a change touched it. Text typed directly next to the range
 * may belong to it; only adjacent whole lines certainly do not.
 */
export function movedBy(span: Span, changes: readonly OffsetChange[]): Span | null {
  let shift = 0;
  for (const { offset, length, text } of changes) {
    const changeEnd = offset + length;
    const isBefore = changeEnd < span.start || (changeEnd === span.start && text.endsWith('\n'));
    const isBehind = offset > span.end || (offset === span.end && /^\r?\n/.test(text));
    // At an empty range, a change may be both.
    if (isBefore === isBehind) return null;
    if (isBefore) shift += text.length - length;
  }
  return { start: span.start + shift, end: span.end + shift };
}

/** Returns the range after changes, including those inside it, or null if a change crossed its border. */
export function grownBy(span: Span, changes: readonly OffsetChange[]): Span | null {
  let shift = 0;
  let growth = 0;
  for (const { offset, length, text } of changes) {
    const changeEnd = offset + length;
    const delta = text.length - length;
    if (offset >= span.start && changeEnd <= span.end) growth += delta;
    else if (changeEnd <= span.start) shift += delta;
    else if (offset < span.end) return null;
  }
  return { start: span.start + shift, end: span.end + shift + growth };
}
