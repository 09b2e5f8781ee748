import { EventBody } from '@devlm/protocol/events.ts';
import type { Secrets } from './secrets.ts';

/** Fields that name or mark something and hold nobody's text; and what the provider has to get back unchanged. */
const structural: ReadonlySet<string> = new Set([
  ...['type', 'kind', 'status', 'state', 'verdict', 'format', 'by', 'outcome', 'purpose', 'code', 'action'],
  ...['id', 'turnId', 'stepId', 'callId', 'conversationId', 'projectId', 'windowId', 'executionId', 'reviewId'],
  ...['parent', 'head', 'blob', 'hash', 'before', 'after', 'base', 'now', 'encoding', 'mediaType'],
  ...['signature', 'opaque', 'model', 'requestId'],
]);

/** The value with all its texts replaced; the same object where none changed. */
export function mapTexts(
  value: unknown,
  map: (text: string) => string,
  skipped: ReadonlySet<string> = new Set(),
): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    const mapped = items.map((item) => mapTexts(item, map, skipped));
    return mapped.some((item, i) => item !== items[i]) ? mapped : value;
  }
  const entries: [string, unknown][] = Object.entries(value);
  const mapped = entries.map(([key, item]): [string, unknown] => [
    key,
    skipped.has(key) ? item : mapTexts(item, map, skipped),
  ]);
  return mapped.some(([, item], i) => item !== entries[i]?.[1]) ? Object.fromEntries(mapped) : value;
}

/**
 * An event as it may be stored. What the model writes is left as it is: it has been shown no credential, and its
 * tools are given just what it wrote.
 */
export function hiddenEvent(secrets: Secrets, event: EventBody): EventBody {
  if (event.type === 'block.started' || event.type === 'block.delta' || event.type === 'block.ended') return event;
  const hidden = mapTexts(event, (text) => secrets.hide(text), structural);
  if (hidden === event) return event;
  const parsed = EventBody.safeParse(hidden);
  if (parsed.success) return parsed.data;
  // A placeholder can be longer than what it stands for, and a text longer than it may be.
  return EventBody.parse(mapTexts(event, (text) => secrets.hide(text).slice(0, text.length), structural));
}
