import type { ExecutionEvent } from '@devlm/protocol/execution.ts';

/**
 * Merges adjacent output of the same stream, and keeps only the last of several adjacent `queued` or `preparing`
 * events.
 */
export function coalesced(events: readonly ExecutionEvent[]): ExecutionEvent[] {
  const joined: ExecutionEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (event.type === 'output' && last?.type === 'output' && last.stream === event.stream) {
      joined[joined.length - 1] = { ...last, text: last.text + event.text };
    } else if (event.type === last?.type && (event.type === 'queued' || event.type === 'preparing')) {
      joined[joined.length - 1] = event;
    } else joined.push(event);
  }
  return joined;
}
