import type { Upstream } from '../upstream.ts';
import type { HeaderReader } from './allowance.ts';
import type { Lane } from './instance.ts';
import type { Failure, Priority } from './types.ts';

/**
 * A place at an instance for one call. Disposing it frees the place; a call whose result was not reported does not
 * affect the lane's health.
 */
export class InstanceLease implements Disposable {
  readonly lane: Lane;
  readonly upstream: Upstream;
  readonly #tokens: number;
  readonly #priority: Priority;
  readonly #probe: boolean;
  readonly #ended: () => void;
  readonly #start = performance.now();
  #counted = false;
  #open = true;

  /**
   * @param ended called once, when the place is free
   * @param tokens estimated number of tokens that the call takes from the lane's rate limits
   */
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

  /** Id of the instance that the call goes to. */
  get instanceId(): string {
    return this.lane.instance.id;
  }

  /** The model to request, as the provider calls it; null if the caller named none. */
  get model(): string | null {
    const { model, instance } = this.lane;
    return model === null ? null : instance.idOf(model);
  }

  /** Returns the name of the model that has answered. Prices are listed by name, not by the provider's id. */
  nameOf(answered: string): string {
    return answered === this.model ? (this.lane.model ?? answered) : answered;
  }

  /** Records the headers of the provider's answer, whatever its status. */
  heard(header: HeaderReader): void {
    this.#count();
    this.lane.allowance.learn(header, performance.now());
  }

  /** Records that the answer has begun. */
  firstToken(): void {
    const now = performance.now();
    this.lane.measured(now - this.#start, now);
  }

  /** Records that the answer is complete, or that any other instance would give the same answer. Frees the place. */
  succeeded(): void {
    if (!this.#open) return;
    this.lane.breaker.succeeded();
    this.lane.instance.served(performance.now() - this.#start);
    this[Symbol.dispose]();
  }

  /**
   * Records that the call failed. Frees the place.
   *
   * @param retryAfterMs rest that the provider asked for, in milliseconds
   */
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
