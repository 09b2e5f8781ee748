import { EventBody } from '@devlm/protocol/events.ts';
import type { Secrets } from './secrets.ts';

/** Event fields without free text, such as ids and states, and fields that the provider must get back unchanged. */
const structuralFields: ReadonlySet<string> = new Set([
  ...['type', 'kind', 'status', 'state', 'verdict', 'format', 'by', 'outcome', 'purpose', 'code', 'action'],
  ...['id', 'turnId', 'stepId', 'callId', 'conversationId', 'projectId', 'windowId', 'executionId', 'reviewId'],
  ...['parent', 'head', 'blob', 'hash', 'before', 'after', 'base', 'now', 'encoding', 'mediaType'],
  ...['optionIds', 'option', 'topic'],
  ...['signature', 'opaque', 'model', 'requestId'],
]);

/** Returns the value with `map` applied to each of its strings, or the same object if no string changed. */
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
 * Returns an event with its credentials hidden, as it is stored. Blocks written by the model stay unchanged: the model
 * has seen no credentials, and its tools must receive exactly what it wrote.
 */
export function hiddenEvent(secrets: Secrets, event: EventBody): EventBody {
  if (event.type === 'block.started' || event.type === 'block.delta' || event.type === 'block.ended') return event;
  const hidden = mapTexts(event, (text) => secrets.hide(text), structuralFields);
  if (hidden === event) return event;
  const parsed = EventBody.safeParse(hidden);
  if (parsed.success) return parsed.data;
  // A placeholder can be longer than its credential, so that a text exceeds its maximum length.
  return EventBody.parse(mapTexts(event, (text) => secrets.hide(text).slice(0, text.length), structuralFields));
}
