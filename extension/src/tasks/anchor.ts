/** A place in a text: from `start` up to `end`, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One change of a text; the offset is in the text before the event that brought it. */
export interface Change {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/**
 * Where a place is after changes that left its text alone; null where one touched it. What is typed right
 * beside it may belong to it: only whole lines before and behind it surely do not.
 */
export function movedBy(span: Span, changes: readonly Change[]): Span | null {
  let shift = 0;
  for (const { offset, length, text } of changes) {
    const after = offset + length;
    const before = after < span.start || (after === span.start && text.endsWith('\n'));
    const behind = offset > span.end || (offset === span.end && /^\r?\n/.test(text));
    // At an empty place it may be either.
    if (before === behind) return null;
    if (before) shift += text.length - length;
  }
  return { start: span.start + shift, end: span.end + shift };
}

/** Where a place is after changes, those in it included; null where one reached over its border. */
export function grownBy(span: Span, changes: readonly Change[]): Span | null {
  let shift = 0;
  let growth = 0;
  for (const { offset, length, text } of changes) {
    const after = offset + length;
    const inserted = text.length - length;
    if (offset >= span.start && after <= span.end) growth += inserted;
    else if (after <= span.start) shift += inserted;
    else if (offset < span.end) return null;
  }
  return { start: span.start + shift, end: span.end + shift + growth };
}
