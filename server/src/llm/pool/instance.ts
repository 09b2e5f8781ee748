import type { InstanceSettings } from '@devlm/protocol/instances.ts';
import type { Upstream } from '../upstream.ts';
import { Allowance } from './allowance.ts';
import { Breaker } from './breaker.ts';
import type { Priority } from './types.ts';

/** What an instance is, and what it may be asked for. */
export interface InstanceOptions {
  readonly id: string;
  /** Where its calls go, with which key. Asked for each call, so that a key can be changed under load. */
  readonly upstream: () => Upstream;
  /** Models that it serves; a name that ends in `*` stands for all that begin so. Empty: every model. */
  readonly models?: readonly string[];
  /** Names of models -> what the provider calls them, where that is something else. */
  readonly modelIds?: Readonly<Record<string, string>>;
  /** False: `/v1/messages/count_tokens` is not there. */
  readonly countsTokens?: boolean;
  /** Who runs it, for lists. Default: Anthropic. */
  readonly place?: Pick<InstanceSettings, 'provider' | 'region' | 'projectId'>;
  /** How much of the load it takes beside the others. Default 1. */
  readonly weight?: number;
  /** Calls at one time. */
  readonly concurrency?: number;
  /** False: it is used only where no other is. */
  readonly usable?: () => boolean;
}

/** Calls at one time of an instance that names none. */
export const defaultConcurrency = 256;
/** Models of which an instance remembers how they do. */
const maxLanes = 64;
/** Weight of the newest measurement in a moving average. */
const alpha = 0.3;
/** After so long without a measurement, half of what made a lane differ from the others is forgotten. Milliseconds. */
const forgetMs = 30_000;
/** Load is not told from more concurrency than this. */
const loadConcurrency = 32;

/** One Claude credential and endpoint: how many calls it takes, and how it is doing. */
export class Instance {
  readonly id: string;
  #options: InstanceOptions;
  /** Takes no new calls. */
  draining = false;
  /** Under way. */
  readonly calls = { person: 0, background: 0 };
  readonly #lanes = new Map<string, Lane>();
  #serviceMs: number | null = null;

  constructor(options: InstanceOptions) {
    this.id = options.id;
    this.#options = options;
  }

  get options(): InstanceOptions {
    return this.#options;
  }

  /** With another key it may be well again: what was learnt of it is forgotten. Calls under way still count. */
  configure(options: InstanceOptions): void {
    this.#options = options;
    this.#lanes.clear();
  }

  get usable(): boolean {
    return this.#options.usable?.() ?? true;
  }

  get concurrency(): number {
    return this.#options.concurrency ?? defaultConcurrency;
  }

  get busy(): number {
    return this.calls.person + this.calls.background;
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  serves(model: string | null): boolean {
    const { models = [] } = this.#options;
    if (model === null || models.length === 0) return true;
    return models.some((name) => (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model));
  }

  /** What its provider calls the model. */
  idOf(model: string): string {
    const { modelIds = {} } = this.#options;
    return Object.hasOwn(modelIds, model) ? (modelIds[model] ?? model) : model;
  }

  /** A part is kept free of background calls, so that a person seldom waits. */
  hasRoom(priority: Priority): boolean {
    const { concurrency, busy } = this;
    if (priority === 'person') return busy < concurrency;
    return busy < concurrency - (concurrency > 1 ? Math.max(1, Math.floor(concurrency / 5)) : 0);
  }

  /** Milliseconds until the next call ends, as far as one can tell. */
  get freeInMs(): number {
    return (this.#serviceMs ?? 0) / this.concurrency;
  }

  get load(): number {
    return this.busy / ((this.#options.weight ?? 1) * Math.min(this.concurrency, loadConcurrency));
  }

  served(milliseconds: number): void {
    this.#serviceMs = average(this.#serviceMs, milliseconds);
  }

  /** Limits, health and speed are those of a model at an instance. */
  lane(model: string | null): Lane {
    const name = model ?? '';
    const lane = this.#lanes.get(name) ?? new Lane(this, model);
    // Last in, so that the first is the one that was asked for longest ago.
    this.#lanes.delete(name);
    this.#lanes.set(name, lane);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > maxLanes && oldest !== undefined) this.#lanes.delete(oldest);
    return lane;
  }
}

/** One model at one instance. */
export class Lane {
  readonly instance: Instance;
  readonly model: string | null;
  readonly breaker = new Breaker();
  readonly allowance = new Allowance();
  /** When it last took a call; `performance.now`. */
  usedAt = 0;
  #firstMs: number | null = null;
  #measuredAt = 0;

  constructor(instance: Instance, model: string | null) {
    this.instance = instance;
    this.model = model;
  }

  /** Milliseconds until it may take a call; 0 now. */
  waitMs(tokens: number, now: number): number {
    return Math.max(this.breaker.waitMs(now), this.allowance.waitMs(tokens, now));
  }

  /** Milliseconds until the first token of an answer; null where nobody has measured. */
  get firstMs(): number | null {
    return this.#firstMs;
  }

  /** The same for a choice: what is old counts less and less beside the mean of all lanes. */
  expectedMs(mean: number, now: number): number {
    if (this.#firstMs === null) return mean;
    return mean + (this.#firstMs - mean) * 2 ** (-(now - this.#measuredAt) / forgetMs);
  }

  measured(firstMs: number, now: number): void {
    this.#firstMs = average(this.#firstMs, firstMs);
    this.#measuredAt = now;
  }
}

function average(before: number | null, next: number): number {
  return before === null ? next : before + alpha * (next - before);
}
