import type { ExecutionRecord, OutputStream } from '@devlm/protocol/execution.ts';
import type { RunEvent } from './sandbox.ts';

const streams = ['stdout', 'stderr'] as const;

/**
 * What a program printed: both streams apart, the order in which they came, and never more than the
 * limit. Bytes become text as they come; what is not UTF-8 becomes U+FFFD.
 */
export class Output {
  readonly #limit: number;
  readonly #hear: (event: RunEvent) => void;
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  readonly #texts: Record<OutputStream, string[]> = { stdout: [], stderr: [] };
  readonly #truncated = { stdout: false, stderr: false };
  readonly #order: { stream: OutputStream; chars: number }[] = [];
  #bytes = 0;
  #ended = false;

  /** @param limit bytes of both streams together */
  constructor(limit: number, hear: (event: RunEvent) => void) {
    this.#limit = limit;
    this.#hear = hear;
  }

  /** True once the program has printed more than is kept. */
  get full(): boolean {
    return this.#truncated.stdout || this.#truncated.stderr;
  }

  /** Takes what fits. Answers false when something did not: the program is to be ended. */
  write(stream: OutputStream, bytes: Uint8Array): boolean {
    if (this.#ended || bytes.length === 0) return !this.full;
    const kept = bytes.subarray(0, Math.max(0, this.#limit - this.#bytes));
    this.#bytes += kept.length;
    if (kept.length < bytes.length) this.#truncated[stream] = true;
    this.#add(stream, this.#decoders[stream].decode(kept, { stream: true }));
    return !this.full;
  }

  /** Everything that was kept. Nothing is taken afterwards. */
  end(): Pick<ExecutionRecord, 'stdout' | 'stderr' | 'order' | 'truncated'> {
    if (!this.#ended) for (const stream of streams) this.#add(stream, this.#decoders[stream].decode());
    this.#ended = true;
    return {
      stdout: this.#texts.stdout.join(''),
      stderr: this.#texts.stderr.join(''),
      order: this.#order,
      truncated: { ...this.#truncated },
    };
  }

  #add(stream: OutputStream, text: string): void {
    if (text === '') return;
    this.#texts[stream].push(text);
    const last = this.#order.at(-1);
    if (last?.stream === stream) last.chars += text.length;
    else this.#order.push({ stream, chars: text.length });
    this.#hear({ type: 'output', stream, text });
  }
}
