import type { Usage } from '@devlm/protocol/events.ts';
import * as z from 'zod';

/** What a call came to, read from the bytes of its answer as they pass. */
export interface Tapped {
  readonly model: string | null;
  readonly usage: Usage;
}

/** Bytes of an answer in one piece, or of one event, that are looked at; usage stands in small ones. */
const lookedAtBytes = 4 * 1024 * 1024;

/** In the data of each event that has usage. */
const mark = '"message_';

const Counts = z.object({
  input_tokens: z.int().min(0).nullish(),
  output_tokens: z.int().min(0).nullish(),
  cache_read_input_tokens: z.int().min(0).nullish(),
  cache_creation_input_tokens: z.int().min(0).nullish(),
  cache_creation: z.object({ ephemeral_1h_input_tokens: z.int().min(0).nullish() }).nullish(),
  output_tokens_details: z.object({ thinking_tokens: z.int().min(0).nullish() }).nullish(),
});
const Message = z.object({ model: z.string().max(200), usage: Counts });
const Event = z.union([
  z.object({ type: z.literal('message_start'), message: Message }),
  z.object({ type: z.literal('message_delta'), usage: Counts }),
]);

/**
 * Counts the tokens of an answer of the Messages API, streamed or not, without holding it up or changing it.
 * What is not as expected counts nothing.
 */
export class UsageTap {
  readonly #streamed: boolean;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #tooLarge = false;
  #tapped: Tapped = {
    model: null,
    usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
  };

  constructor(contentType: string) {
    this.#streamed = /^text\/event-stream\b/i.test(contentType);
  }

  write(bytes: Uint8Array): void {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    if (this.#streamed) {
      const end = this.#rest.lastIndexOf('\n');
      if (end >= 0) {
        const lines = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        if (this.#tooLarge) this.#tooLarge = false;
        else this.#lines(lines);
      }
    }
    if (this.#rest.length <= lookedAtBytes) return;
    this.#rest = '';
    this.#tooLarge = true;
  }

  end(): Tapped {
    if (!this.#streamed && !this.#tooLarge) this.#take(Message.safeParse(json(this.#rest)).data);
    return this.#tapped;
  }

  /** Deltas of text are nearly all of a stream: they are not looked at. */
  #lines(lines: string): void {
    for (let at = lines.indexOf(mark), end = 0; at >= 0; at = lines.indexOf(mark, end)) {
      const next = lines.indexOf('\n', at);
      end = next < 0 ? lines.length : next;
      this.#line(lines.slice(lines.lastIndexOf('\n', at) + 1, end));
    }
  }

  #line(line: string): void {
    if (!line.startsWith('data:')) return;
    const event = Event.safeParse(json(line.slice(5)));
    if (!event.success) return;
    if (event.data.type === 'message_start') this.#take(event.data.message);
    else this.#take({ model: this.#tapped.model, usage: event.data.usage });
  }

  /** Counts are running totals: the last one that is there counts. */
  #take(answer: { model: string | null; usage: z.infer<typeof Counts> } | undefined): void {
    if (!answer) return;
    const { usage: before } = this.#tapped;
    const { usage, model } = answer;
    const hour = usage.cache_creation?.ephemeral_1h_input_tokens ?? before.cacheWrite1hTokens;
    const thought = usage.output_tokens_details?.thinking_tokens ?? before.thinkingTokens;
    this.#tapped = {
      model,
      usage: {
        inputTokens: usage.input_tokens ?? before.inputTokens,
        outputTokens: usage.output_tokens ?? before.outputTokens,
        cacheReadTokens: usage.cache_read_input_tokens ?? before.cacheReadTokens,
        cacheWriteTokens: usage.cache_creation_input_tokens ?? before.cacheWriteTokens,
        ...(hour ? { cacheWrite1hTokens: hour } : {}),
        ...(thought ? { thinkingTokens: thought } : {}),
      },
    };
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
