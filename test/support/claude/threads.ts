import * as z from 'zod';
import type { HttpReply } from './answer.ts';
import { httpError } from './faults.ts';
import type { MessagesRequest } from './request.ts';

const Continue = z.object({ thread: z.object({ type: z.literal('continue'), previous_message_id: z.string() }) });
const Create = z.object({ thread: z.object({ type: z.literal('create') }) });
/** Maximum number of stored conversations. */
const maxThreads = 1_000;

/**
 * Conversations that the API stores by the id of their last answer, so that a client only sends new messages. A thread
 * is created with `thread: { type: 'create' }` and belongs to one key.
 */
export class Threads {
  readonly #held = new Map<string, { caller: string; request: MessagesRequest; reply: unknown }>();

  clear(): void {
    this.#held.clear();
  }

  /** Returns the body with all earlier messages of its thread, or the error if the thread does not exist. */
  expand(body: unknown, caller: string): { readonly body: unknown } | { readonly error: HttpReply } {
    const asked = Continue.safeParse(body);
    if (!asked.success) return { body };
    const { previous_message_id: id } = asked.data.thread;
    const found = this.#held.get(id);
    if (!found || found.caller !== caller) {
      const message = `thread.previous_message_id: no thread holds ${id}`;
      return { error: httpError(404, { message, details: { error_code: 'thread_not_found' } }) };
    }
    const { system, tools, messages } = found.request;
    const more = z.looseObject({ messages: z.array(z.unknown()) }).safeParse(body).data;
    const whole = [...messages, { role: 'assistant', content: found.reply }, ...(more?.messages ?? [])];
    return { body: { ...more, ...(system ? { system } : {}), ...(tools ? { tools } : {}), messages: whole } };
  }

  /** Stores an answer if its request asked for that. */
  keep(body: unknown, caller: string, request: MessagesRequest, id: string, reply: unknown): void {
    if (!Continue.safeParse(body).success && !Create.safeParse(body).success) return;
    this.#held.set(id, { caller, request, reply });
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= maxThreads) break;
      this.#held.delete(oldest);
    }
  }
}
