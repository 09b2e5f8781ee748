import type { EventBody } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';

/** Appends and publishes events. Resolves when they are stored. */
export type Append = (events: readonly EventBody[]) => Promise<unknown>;

/**
 * Delay before a `step.started` event is stored, in milliseconds. By then its call has been sent, but no answer can
 * have arrived yet.
 */
const stepStartDelayMs = 2;

/**
 * Writes the events of a turn in order. Text deltas of one block are joined for at most `limits.coalesceMs`, except the
 * first one after a pause, which is written at once together with the events before it. Events that arrive during an
 * append are written together by the next one, so a slow disk results in larger appends instead of a longer queue.
 */
export class EventWriter {
  readonly #append: Append;
  #waiting: EventBody[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  /** Time at which the last text delta was passed to an append, as of `performance.now`. */
  #lastTextAt = Number.NEGATIVE_INFINITY;
  #urgent = false;

  constructor(append: Append) {
    this.#append = append;
  }

  /** Whether an append has failed, after which nothing more can be written. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Queues an event. Throws the error of an earlier failed append. */
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
    if (event.type === 'block.delta') this.#urgent ||= performance.now() >= this.#lastTextAt + limits.coalesceMs;
    this.#schedule(event.type === 'step.started' ? stepStartDelayMs : limits.coalesceMs);
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
    if (events.some((event) => event.type === 'block.delta')) this.#lastTextAt = performance.now();
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
