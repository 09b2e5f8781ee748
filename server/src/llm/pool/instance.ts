import type { InstanceSettings } from '@devlm/protocol/instances.ts';
import type { Upstream } from '../upstream.ts';
import { Allowance } from './allowance.ts';
import { Breaker } from './breaker.ts';
import type { Priority } from './types.ts';

/** Options of an instance. */
export interface InstanceOptions {
  readonly id: string;
  /** Returns the endpoint and key of its calls. Called for each call, so that a key can be changed under load. */
  readonly upstream: () => Upstream;
  /** Models that it serves. A name that ends in `*` is a prefix. Default: every model, as with an empty list. */
  readonly models?: readonly string[];
  /** Provider's ids of models, by model name, where they differ from the name. */
  readonly modelIds?: Readonly<Record<string, string>>;
  /** Whether the endpoint has `/v1/messages/count_tokens`. Default: true. */
  readonly countsTokens?: boolean;
  /** Provider and location, as shown in lists. Default: Anthropic. */
  readonly place?: Pick<InstanceSettings, 'provider' | 'region' | 'projectId'>;
  /** Share of the load relative to the other instances. Default: 1. */
  readonly weight?: number;
  /** Maximum number of simultaneous calls. Default: `defaultConcurrency`. */
  readonly concurrency?: number;
  /**
   * Returns whether the instance can be used; if not, calls go to it only while no other instance can. Default: true.
   */
  readonly usable?: () => boolean;
}

/** Default maximum number of simultaneous calls to an instance. */
export const defaultConcurrency = 256;
/** Maximum number of lanes that an instance keeps. */
const maxLanes = 64;
/** Weight of the newest measurement in a moving average. */
const averageWeight = 0.3;
/**
 * Half-life of a lane's latency measurement, in milliseconds: after this time without a new measurement, half of its
 * difference from the other lanes is forgotten.
 */
const latencyHalfLifeMs = 30_000;
/** Maximum concurrency that the load is computed from. */
const maxLoadConcurrency = 32;

/** One Claude credential and endpoint, with its number of calls under way and its health. */
export class Instance {
  readonly id: string;
  #options: InstanceOptions;
  /** Whether the instance takes no new calls. */
  draining = false;
  /** Number of calls under way, by priority. */
  readonly calls = { person: 0, background: 0 };
  readonly #lanes = new Map<string, Lane>();
  #serviceMs: number | null = null;

  constructor(options: InstanceOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** The current options. */
  get options(): InstanceOptions {
    return this.#options;
  }

  /**
   * Replaces the options. Forgets what was learned about the instance, because it may work with another key. Calls
   * under way still count.
   */
  configure(options: InstanceOptions): void {
    this.#options = options;
    this.#lanes.clear();
  }

  /** Whether calls may go to the instance. */
  get usable(): boolean {
    return this.#options.usable?.() ?? true;
  }

  /** Maximum number of simultaneous calls. */
  get concurrency(): number {
    return this.#options.concurrency ?? defaultConcurrency;
  }

  /** Number of calls under way. */
  get busy(): number {
    return this.calls.person + this.calls.background;
  }

  /** The lanes that are kept, least recently used first. */
  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Returns whether the instance serves a model; null stands for any model. */
  serves(model: string | null): boolean {
    const { models = [] } = this.#options;
    if (model === null || models.length === 0) return true;
    return models.some((name) => (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model));
  }

  /** Returns the provider's id of a model. */
  idOf(model: string): string {
    const { modelIds = {} } = this.#options;
    return Object.hasOwn(modelIds, model) ? (modelIds[model] ?? model) : model;
  }

  /**
   * Returns whether there is room for another call. A fifth of the places is kept free of background calls, so that
   * users seldom wait.
   */
  hasRoom(priority: Priority): boolean {
    const { concurrency, busy } = this;
    if (priority === 'person') return busy < concurrency;
    return busy < concurrency - (concurrency > 1 ? Math.max(1, Math.floor(concurrency / 5)) : 0);
  }

  /** Estimated time until the next call ends, in milliseconds. */
  get freeInMs(): number {
    return (this.#serviceMs ?? 0) / this.concurrency;
  }

  /** Calls under way relative to weight and concurrency. */
  get load(): number {
    return this.busy / ((this.#options.weight ?? 1) * Math.min(this.concurrency, maxLoadConcurrency));
  }

  /** Records the duration of a call that was served, in milliseconds. */
  served(milliseconds: number): void {
    this.#serviceMs = movingAverage(this.#serviceMs, milliseconds);
  }

  /** Returns the lane of a model. Limits, health and speed are tracked for each model at each instance. */
  lane(model: string | null): Lane {
    const name = model ?? '';
    const lane = this.#lanes.get(name) ?? new Lane(this, model);
    // Reinsert the lane, so that the first one in the map is the least recently used.
    this.#lanes.delete(name);
    this.#lanes.set(name, lane);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > maxLanes && oldest !== undefined) this.#lanes.delete(oldest);
    return lane;
  }
}

/** One model at one instance, with its health, rate limits and speed. */
export class Lane {
  readonly instance: Instance;
  readonly model: string | null;
  readonly breaker = new Breaker();
  readonly allowance = new Allowance();
  /** Time at which the lane last took a call, as of `performance.now`. */
  usedAt = 0;
  #firstMs: number | null = null;
  #measuredAt = 0;

  constructor(instance: Instance, model: string | null) {
    this.instance = instance;
    this.model = model;
  }

  /** Returns the time until the lane may take a call, in milliseconds; 0 if it may now. */
  waitMs(tokens: number, now: number): number {
    return Math.max(this.breaker.waitMs(now), this.allowance.waitMs(tokens, now));
  }

  /** Moving average of the time to the first token, in milliseconds; null if none was measured. */
  get firstMs(): number | null {
    return this.#firstMs;
  }

  /**
   * Returns the expected time to the first token, in milliseconds. The older the measurement, the closer the result is
   * to the mean of all lanes.
   */
  expectedMs(mean: number, now: number): number {
    if (this.#firstMs === null) return mean;
    return mean + (this.#firstMs - mean) * 2 ** (-(now - this.#measuredAt) / latencyHalfLifeMs);
  }

  /** Records the time to the first token of a call, in milliseconds. */
  measured(firstMs: number, now: number): void {
    this.#firstMs = movingAverage(this.#firstMs, firstMs);
    this.#measuredAt = now;
  }
}

/** Returns a moving average with the next value added. */
function movingAverage(before: number | null, next: number): number {
  return before === null ? next : before + averageWeight * (next - before);
}
