import type { EventBody } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';

/** Appends events and publishes them; resolves when they are stored. */
export type Append = (events: readonly EventBody[]) => Promise<unknown>;

/** How soon a step is stored after its beginning, milliseconds: once its call has been sent, before anything can have come back. */
const calledMs = 2;

/**
 * Writes a turn's events in order. Text deltas of one block are joined for at most
 * `limits.coalesceMs`, except the first after a pause, which goes out at once together with
 * what led to it. While an append is under way the following events gather, so a slow disk
 * makes larger appends, not a longer queue.
 */
export class EventWriter {
  readonly #append: Append;
  #waiting: EventBody[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  /** When text was last sent to be appended. */
  #lastText = Number.NEGATIVE_INFINITY;
  #urgent = false;

  constructor(append: Append) {
    this.#append = append;
  }

  /** An append failed: nothing more can be written. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Queues an event. Throws what an earlier append failed with. */
  write(event: EventBody): void {
    if (this.#failure !== undefined) throw this.#failure;
    const last = this.#waiting.at(-1);
    if (
      event.type === 'block.delta' &&
      last?.type === 'block.delta' &&
      last.stepId === event.stepId &&
      last.index === event.index
    ) {
      this.#waiting[this.#waiting.length - 1] = { ...last, text: last.text + event.text };
    } else {
      this.#waiting.push(event);
    }
    if (event.type === 'block.delta') this.#urgent ||= performance.now() >= this.#lastText + limits.coalesceMs;
    this.#schedule(event.type === 'step.started' ? calledMs : limits.coalesceMs);
  }

  /** Resolves when everything written so far is stored. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#writing) {
      if (!this.#writing) this.#start();
      await this.#writing;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #schedule(withinMs: number = limits.coalesceMs): void {
    if (this.#writing || this.#waiting.length === 0) return;
    if (this.#urgent) this.#start();
    else if (withinMs < limits.coalesceMs || !this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#start(), withinMs);
    }
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#urgent = false;
    if (this.#writing || this.#waiting.length === 0) return;
    const events = this.#waiting;
    this.#waiting = [];
    if (events.some((event) => event.type === 'block.delta')) this.#lastText = performance.now();
    this.#writing = this.#append(events)
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure = error;
          this.#waiting = [];
        },
      )
      .finally(() => {
        this.#writing = undefined;
        this.#schedule();
      });
  }
}
