import { noTokens, type Usage } from '@devlm/protocol/events.ts';
import * as z from 'zod';

/** Model and usage of a call, read from the bytes of its answer as they pass. */
export interface Tapped {
  readonly model: string | null;
  readonly usage: Usage;
}

/** Maximum length of an unstreamed answer or of one event that is parsed. Usage appears only in small ones. */
const maxParsedChars = 4 * 1024 * 1024;

/** Text that is in the data of each event with usage. */
const usageMark = '"message_';

const Counts = z.object({
  input_tokens: z.int().min(0).nullish(),
  output_tokens: z.int().min(0).nullish(),
  cache_read_input_tokens: z.int().min(0).nullish(),
  cache_creation_input_tokens: z.int().min(0).nullish(),
  cache_creation: z.object({ ephemeral_1h_input_tokens: z.int().min(0).nullish() }).nullish(),
  output_tokens_details: z.object({ thinking_tokens: z.int().min(0).nullish() }).nullish(),
});
/** The fields that are read of an answer that is not streamed. */
const WholeAnswer = z.object({ model: z.string().max(200), usage: Counts });
/** The events of a streamed answer that have counts. */
const CountingEvent = z.union([
  z.object({ type: z.literal('message_start'), message: WholeAnswer }),
  z.object({ type: z.literal('message_delta'), usage: Counts }),
]);

/**
 * Counts the tokens of an answer of the Messages API, streamed or not, without delaying or changing it. Unexpected
 * content is ignored.
 */
export class UsageTap {
  readonly #streamed: boolean;
  readonly #decoder = new TextDecoder();
  #buffer = '';
  #tooLarge = false;
  #tapped: Tapped = { model: null, usage: noTokens };

  constructor(contentType: string) {
    this.#streamed = /^text\/event-stream\b/i.test(contentType);
  }

  /** Reads the next bytes of the answer. */
  write(bytes: Uint8Array): void {
    this.#buffer += this.#decoder.decode(bytes, { stream: true });
    if (this.#streamed) {
      const end = this.#buffer.lastIndexOf('\n');
      if (end >= 0) {
        const lines = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 1);
        if (this.#tooLarge) this.#tooLarge = false;
        else this.#parseLines(lines);
      }
    }
    if (this.#buffer.length <= maxParsedChars) return;
    this.#buffer = '';
    this.#tooLarge = true;
  }

  /** Returns model and usage after the last bytes. */
  end(): Tapped {
    if (!this.#streamed && !this.#tooLarge) this.#applyCounts(WholeAnswer.safeParse(json(this.#buffer)).data);
    return this.#tapped;
  }

  /** Parses only the lines with usage. Nearly all of a stream is deltas of text. */
  #parseLines(lines: string): void {
    for (let at = lines.indexOf(usageMark), end = 0; at >= 0; at = lines.indexOf(usageMark, end)) {
      const next = lines.indexOf('\n', at);
      end = next < 0 ? lines.length : next;
      this.#parseLine(lines.slice(lines.lastIndexOf('\n', at) + 1, end));
    }
  }

  #parseLine(line: string): void {
    if (!line.startsWith('data:')) return;
    const event = CountingEvent.safeParse(json(line.slice(5)));
    if (!event.success) return;
    if (event.data.type === 'message_start') this.#applyCounts(event.data.message);
    else this.#applyCounts({ model: this.#tapped.model, usage: event.data.usage });
  }

  /** Applies the counts of an event. Counts are running totals, so the last one present applies. */
  #applyCounts(answer: { model: string | null; usage: z.infer<typeof Counts> } | undefined): void {
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
