import type { ExecutionRecord, OutputStream } from '@devlm/protocol/execution.ts';
import type { RunEvent } from './sandbox.ts';

const streams = ['stdout', 'stderr'] as const;

/**
 * Collects the output of a program up to a limit: both streams separately, and the order in which they arrived. Bytes
 * are decoded as they arrive; invalid UTF-8 becomes U+FFFD.
 */
export class OutputCollector {
  readonly #limitBytes: number;
  readonly #onEvent: (event: RunEvent) => void;
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  readonly #texts: Record<OutputStream, string[]> = { stdout: [], stderr: [] };
  readonly #truncated = { stdout: false, stderr: false };
  readonly #order: { stream: OutputStream; chars: number }[] = [];
  #bytes = 0;
  #ended = false;

  /** @param limitBytes maximum size of both streams together, in bytes */
  constructor(limitBytes: number, onEvent: (event: RunEvent) => void) {
    this.#limitBytes = limitBytes;
    this.#onEvent = onEvent;
  }

  /** Whether the program has printed more than the limit. */
  get full(): boolean {
    return this.#truncated.stdout || this.#truncated.stderr;
  }

  /** Takes output up to the limit. Returns false once the limit is exceeded; the caller must then end the program. */
  write(stream: OutputStream, bytes: Uint8Array): boolean {
    if (this.#ended || bytes.length === 0) return !this.full;
    const kept = bytes.subarray(0, Math.max(0, this.#limitBytes - this.#bytes));
    this.#bytes += kept.length;
    if (kept.length < bytes.length) this.#truncated[stream] = true;
    this.#add(stream, this.#decoders[stream].decode(kept, { stream: true }));
    return !this.full;
  }

  /** Returns all output that was kept. Further writes are ignored. */
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
    this.#onEvent({ type: 'output', stream, text });
  }
}
