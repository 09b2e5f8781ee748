import { ReceivedEvent } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { ServerNotice } from '@devlm/protocol/views.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { problemOf } from './client.ts';

const eventChars = 4 * limits.requestBodyBytes;
/** Longest wait for the head of a stream's response. */
const openMs = 10_000;

export interface StreamOptions {
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly lastEventId?: string | undefined;
  /** Default `limits.streamSilenceMs`. Comments count as life. */
  readonly silenceMs?: number | undefined;
  /** Called once the server has accepted. */
  readonly onOpen?: () => void;
  /** Sent by POST, as JSON; without it the request is a GET. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Longest wait for the head of the response. Default 10 s. */
  readonly openMs?: number | undefined;
  /** Longest event that is buffered, in UTF-16 code units. Default: a message with all its attachments, escaped. */
  readonly eventChars?: number | undefined;
}

/**
 * One `text/event-stream` response: yields the messages of each piece that arrives, together,
 * and returns when the server ends it. Throws a `ProblemError` when the server refuses, is
 * unreachable or falls silent, and the signal's reason when aborted.
 */
export async function* openStream(
  endpoint: Endpoint,
  path: string,
  options: StreamOptions,
): AsyncGenerator<EventSourceMessage[]> {
  const { problems, signal } = options;
  const own = new AbortController();
  let timer = setTimeout(() => own.abort(problems.timeout()), options.openMs ?? openMs);
  let messages: EventSourceMessage[] = [];
  const maxBufferSize = options.eventChars ?? eventChars;
  const parser = createParser({ onEvent: (message) => messages.push(message), maxBufferSize });
  const decoder = new TextDecoder();
  try {
    const response = await fetch(endpoint.origin + path, {
      ...(options.body === undefined ? {} : { method: 'POST', body: JSON.stringify(options.body) }),
      headers: {
        authorization: `Bearer ${endpoint.secret}`,
        accept: 'text/event-stream',
        ...options.headers,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
      },
      redirect: 'error',
      signal: AbortSignal.any([signal, own.signal]),
    });
    if (!response.ok) throw problemOf(response, await response.text(), problems);
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw problems.badResponse();
    }
    options.onOpen?.();
    clearTimeout(timer);
    timer = setTimeout(() => own.abort(problems.streamSilent()), options.silenceMs ?? limits.streamSilenceMs);
    for await (const piece of response.body) {
      timer.refresh();
      parser.feed(decoder.decode(piece, { stream: true }));
      if (messages.length === 0) continue;
      const batch = messages;
      messages = [];
      yield batch;
      // The reader may have been busy with them; only the server's silence counts.
      timer.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (own.signal.aborted) throw own.signal.reason;
    throw error instanceof ProblemError ? error : problems.unreachable(error);
  } finally {
    clearTimeout(timer);
    own.abort();
  }
}

export interface FollowOptions {
  /** The server as it is now; waits while there is none. */
  readonly endpoint: (signal: AbortSignal) => Promise<Endpoint>;
  readonly conversationId: string;
  /** Events with a greater `seq` are wanted. */
  readonly after: number;
  /** Receives contiguous events, none twice. What it returns is awaited before more is read. */
  readonly deliver: (events: ReceivedEvent[]) => Promise<unknown> | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly log: Log;
  readonly silenceMs?: number | undefined;
  /** Between attempts. Default 250 ms to 10 s. */
  readonly backoff?: Backoff;
}

/**
 * Follows the events of a conversation through cuts, silence, gaps and restarts of the server,
 * until aborted (it then returns) or until the server refuses for good, as with 404 (it then throws).
 */
export async function followConversation(options: FollowOptions): Promise<void> {
  const { signal, problems, log, conversationId } = options;
  const backoff = options.backoff ?? new Backoff({ firstMs: 250, maxMs: 10_000 });
  const path = routes['conversations.events'].path.replace(':conversationId', encodeURIComponent(conversationId));
  let last = options.after;
  while (!signal.aborted) {
    let endpoint: Endpoint | undefined;
    try {
      endpoint = await options.endpoint(signal);
      const stream = openStream(endpoint, `${path}?after=${last}`, {
        signal,
        problems,
        lastEventId: String(last),
        silenceMs: options.silenceMs,
      });
      for await (const messages of stream) {
        const { fresh, gap } = sift(messages, last, problems);
        if (fresh.length > 0) {
          // Counted as delivered only once they are: a failure before that must read them again.
          await options.deliver(fresh);
          last = fresh.at(-1)?.seq ?? last;
          backoff.reset();
        }
        if (gap) throw gap;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (endpoint && isFinal(error)) throw error;
      log.debug(`events of ${conversationId} after ${last}: ${String(error)}`);
    }
    await backoff.wait(signal).catch(() => undefined);
  }
}

/** Messages as events that follow `last` without a gap; repeated ones are dropped. */
function sift(messages: EventSourceMessage[], last: number, problems: Problems) {
  const fresh: ReceivedEvent[] = [];
  let seq = last;
  for (const message of messages) {
    const event = parse(message.data);
    const checked = ReceivedEvent.safeParse(event);
    if (!checked.success) return { fresh, gap: problems.badResponse(checked.error) };
    if (checked.data.seq <= seq) continue;
    if (checked.data.seq !== seq + 1) return { fresh, gap: problems.eventGap() };
    fresh.push(checked.data);
    seq += 1;
  }
  return { fresh, gap: undefined };
}

/** Trying again cannot help: the server understood and said no. A wrong secret means another server, so it can. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return false;
  const { status } = error.problem;
  return status >= 400 && status < 500 && ![401, 408, 409, 429].includes(status);
}

/** Notices of the whole server; ones of a kind that this version does not know are left out. */
export async function* openNotices(endpoint: Endpoint, options: StreamOptions): AsyncGenerator<ServerNotice> {
  for await (const messages of openStream(endpoint, routes['server.events'].path, options)) {
    for (const message of messages) {
      const checked = ServerNotice.safeParse(parse(message.data));
      if (checked.success) yield checked.data;
    }
  }
}

/** The JSON of a message; undefined where it is none. */
export function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
