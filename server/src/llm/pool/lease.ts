import type { Upstream } from '../upstream.ts';
import type { HeaderReader } from './allowance.ts';
import type { Lane } from './instance.ts';
import type { Failure, Priority } from './types.ts';

/** A place at an instance for one call. Its end frees the place, and a call that told nothing says nothing. */
export class Lease implements Disposable {
  readonly lane: Lane;
  readonly upstream: Upstream;
  readonly #tokens: number;
  readonly #priority: Priority;
  readonly #probe: boolean;
  readonly #ended: () => void;
  readonly #start = performance.now();
  #counted = false;
  #open = true;

  /** @param ended is called once, when the place is free */
  constructor(lane: Lane, upstream: Upstream, priority: Priority, tokens: number, ended: () => void) {
    this.lane = lane;
    this.upstream = upstream;
    this.#priority = priority;
    this.#tokens = tokens;
    this.#ended = ended;
    this.#probe = lane.breaker.admit();
    lane.instance.calls[priority]++;
    lane.allowance.spend(tokens);
    lane.usedAt = this.#start;
  }

  get instanceId(): string {
    return this.lane.instance.id;
  }

  /** The model to ask for, as its provider calls it, where the caller named one. */
  get model(): string | null {
    const { model, instance } = this.lane;
    return model === null ? null : instance.idOf(model);
  }

  /** The name of the model that has answered: prices know names, not what a provider calls the model. */
  nameOf(answered: string): string {
    return answered === this.model ? (this.lane.model ?? answered) : answered;
  }

  /** The provider has answered with these headers, whatever the status. */
  heard(header: HeaderReader): void {
    this.#count();
    this.lane.allowance.learn(header, performance.now());
  }

  /** The answer has begun. */
  firstToken(): void {
    const now = performance.now();
    this.lane.measured(now - this.#start, now);
  }

  /** The answer came to its end, or was an answer that another instance would give as well. */
  succeeded(): void {
    if (!this.#open) return;
    this.lane.breaker.succeeded();
    this.lane.instance.served(performance.now() - this.#start);
    this[Symbol.dispose]();
  }

  failed(failure: Failure, retryAfterMs?: number): void {
    if (!this.#open) return;
    this.lane.breaker.failed(failure, performance.now(), retryAfterMs);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#count();
    if (this.#probe) this.lane.breaker.probeEnded();
    this.lane.instance.calls[this.#priority]--;
    this.#ended();
  }

  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.lane.allowance.counted(this.#tokens);
  }
}
