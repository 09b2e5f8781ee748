import { noTokens, type Usage } from '@devlm/protocol/events.ts';
import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import type { ModelEvent } from '../llm/model.ts';

/** Model and prices of a metered call. */
export interface MeterDeps {
  readonly modelId: string;
  /** Returns the cost in US dollars, or null if the price is not known. */
  readonly costOf: (model: string, usage: Usage) => number | null;
  /** Returns the cost that budgets count if the price is not known, in US dollars. */
  readonly countedCost: (model: string, usage: Usage) => number;
}

/** Meters one call, so that its cost is known even when it is cut short. */
export class CallMeter {
  readonly #deps: MeterDeps;
  readonly #purpose: 'compaction' | undefined;
  readonly #start = performance.now();
  #firstTokenAt: number | undefined;
  #instance: string | undefined;
  /** Whether the provider has begun to answer, so that the call costs something. */
  calls = false;
  /** Number of characters of the answer so far. */
  chars = 0;
  /** The provider's id of the call. */
  requestId: string | undefined;
  /** Whether an event of the answer could not be stored. */
  storeFailed = false;
  #model: string;
  #usage: Usage = noTokens;
  #isCounted = false;

  constructor(deps: MeterDeps, purpose: 'compaction' | undefined) {
    this.#deps = deps;
    this.#purpose = purpose;
    this.#model = deps.modelId;
  }

  /** Records the beginning of the answer. */
  start({ model, usage, requestId, instance }: Extract<ModelEvent, { type: 'started' }>): void {
    this.calls = true;
    this.#model = model || this.#model;
    this.#usage = usage;
    this.requestId = requestId;
    this.#instance = instance;
  }

  /** Records the time of the first token. */
  firstToken(): void {
    this.#firstTokenAt ??= performance.now();
  }

  /** Records the provider's final token count. */
  end(usage: Usage): void {
    this.#usage = usage;
    this.#isCounted = true;
  }

  /**
   * Returns the usage, cost and times of the call: from the provider's final count, or from an estimate without one.
   */
  total() {
    const outputTokens = this.#isCounted
      ? this.#usage.outputTokens
      : Math.max(this.#usage.outputTokens, estimateTokens(this.chars));
    const usage = { ...this.#usage, outputTokens };
    const costUsd = this.#deps.costOf(this.#model, usage);
    const since = (time: number) => Math.round(time - this.#start);
    return {
      usage,
      costUsd,
      model: this.#model,
      latencyMs: since(performance.now()),
      ...(this.#firstTokenAt === undefined ? {} : { firstTokenMs: since(this.#firstTokenAt) }),
      ...(this.#instance === undefined ? {} : { instance: this.#instance }),
      ...(this.#purpose === undefined ? {} : { purpose: this.#purpose }),
      ...(costUsd === null ? { countedUsd: this.#deps.countedCost(this.#model, usage) } : {}),
    };
  }

  /**
   * Runs a write and records whether it failed. A failing store is not a failing model, so the call must not be
   * repeated because of it.
   */
  guard(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.storeFailed = true;
      throw error;
    }
  }
}
