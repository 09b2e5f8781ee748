import { ReceivedEvent } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { ServerNotice } from '@devlm/protocol/views.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import { parseJson } from '../json.ts';
import type { Log } from '../ports.ts';
import type { Problems } from '../problems.ts';
import type { Endpoint } from './client.ts';
import { problemOf } from './client.ts';

/** Default maximum event size, in UTF-16 code units: a message with all its attachments, escaped. */
const eventChars = 4 * limits.requestBodyBytes;
/** Default maximum wait for the response headers, in milliseconds. */
const openMs = 10_000;

/** Options of `openStream`. */
export interface StreamOptions {
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly lastEventId?: string | undefined;
  /** Maximum silence in milliseconds; comments end it too. Default: `limits.streamSilenceMs`. */
  readonly silenceMs?: number | undefined;
  /** Called when the server has accepted the request. */
  readonly onOpen?: () => void;
  /** JSON body. With a body the request is a POST, otherwise a GET. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Maximum wait for the response headers, in milliseconds. Default: 10 000. */
  readonly openMs?: number | undefined;
  /** Maximum event size in UTF-16 code units. Default: enough for a message with all its attachments, escaped. */
  readonly eventChars?: number | undefined;
}

/**
 * Opens a `text/event-stream` response. Yields the messages of each received chunk together, and returns when the
 * server ends the response.
 * @throws ProblemError if the server refuses, is unreachable or falls silent; the signal's reason if aborted
 */
export async function* openStream(
  endpoint: Endpoint,
  path: string,
  options: StreamOptions,
): AsyncGenerator<EventSourceMessage[]> {
  const { problems, signal } = options;
  const controller = new AbortController();
  let timer = setTimeout(() => controller.abort(problems.timeout()), options.openMs ?? openMs);
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
      signal: AbortSignal.any([signal, controller.signal]),
    });
    if (!response.ok) throw problemOf(response, await response.text(), problems);
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw problems.badResponse();
    }
    options.onOpen?.();
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(problems.streamSilent()), options.silenceMs ?? limits.streamSilenceMs);
    for await (const chunk of response.body) {
      timer.refresh();
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (messages.length === 0) continue;
      const batch = messages;
      messages = [];
      yield batch;
      // The consumer may have taken long: only the server's silence counts.
      timer.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error instanceof ProblemError ? error : problems.unreachable(error);
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

/** Options of `followConversation`. */
export interface FollowOptions {
  /** Returns the current server, waiting while there is none. */
  readonly endpoint: (signal: AbortSignal) => Promise<Endpoint>;
  readonly conversationId: string;
  /** The last event that the caller has: only events with a greater `seq` are delivered. */
  readonly after: number;
  /** Receives contiguous events, each once. The returned promise is awaited before more is read. */
  readonly deliver: (events: ReceivedEvent[]) => Promise<unknown> | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
  readonly log: Log;
  readonly silenceMs?: number | undefined;
  /** Delay between attempts. Default: 250 ms to 10 s. */
  readonly backoff?: Backoff;
}

/**
 * Follows the events of a conversation through disconnections, silence, gaps and server restarts. Returns when
 * aborted.
 * @throws ProblemError if the server refuses permanently, such as with 404
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
        const { fresh, gap } = nextEvents(messages, last, problems);
        if (fresh.length > 0) {
          // Advance only after delivery: if it fails, the events have to be read again.
          await options.deliver(fresh);
          last = fresh.at(-1)?.seq ?? last;
          backoff.reset();
        }
        if (gap) throw gap;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (endpoint && isRefusal(error)) throw error;
      log.debug(`could not read events of ${conversationId} after ${last}: ${String(error)}`);
    }
    await backoff.wait(signal).catch(() => undefined);
  }
}

/** Returns the events that directly follow `last`, without repeated ones, and the problem that ended the sequence. */
function nextEvents(messages: EventSourceMessage[], last: number, problems: Problems) {
  const fresh: ReceivedEvent[] = [];
  let seq = last;
  for (const message of messages) {
    const event = parseJson(message.data);
    const checked = ReceivedEvent.safeParse(event);
    if (!checked.success) return { fresh, gap: problems.badResponse(checked.error) };
    if (checked.data.seq <= seq) continue;
    if (checked.data.seq !== seq + 1) return { fresh, gap: problems.eventGap() };
    fresh.push(checked.data);
    seq += 1;
  }
  return { fresh, gap: undefined };
}

/** Returns whether retrying is useless because the server refused. A 401 can be another server's, so it is retried. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return false;
  const { status } = error.problem;
  return status >= 400 && status < 500 && ![401, 408, 409, 429].includes(status);
}

/** Streams the notices of the server. Notices of unknown types are skipped. */
export async function* openNotices(endpoint: Endpoint, options: StreamOptions): AsyncGenerator<ServerNotice> {
  for await (const messages of openStream(endpoint, routes['server.events'].path, options)) {
    for (const message of messages) {
      const checked = ServerNotice.safeParse(parseJson(message.data));
      if (checked.success) yield checked.data;
    }
  }
}
