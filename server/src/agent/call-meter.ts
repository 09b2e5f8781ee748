import type { Usage } from '@devlm/protocol/events.ts';
import type { ModelEvent } from '../llm/model.ts';
import { estimateAnswerTokens } from '../llm/prompt-size.ts';

/** What a call is priced by. */
export interface MeterDeps {
  readonly modelId: string;
  /** Cost in US dollars; null where the price is not known. */
  readonly costOf: (model: string, usage: Usage) => number | null;
  /** US dollars that budgets count where the price is not known. */
  readonly countedCost: (model: string, usage: Usage) => number;
}

/** Counts one call, so that what it cost is known also when it is cut short. */
export class CallMeter {
  readonly #deps: MeterDeps;
  readonly #purpose: 'compaction' | undefined;
  readonly #start = performance.now();
  #first: number | undefined;
  #instance: string | undefined;
  /** The provider has begun to answer, so that the call costs something. */
  calls = false;
  /** Characters of the answer so far. */
  chars = 0;
  /** The provider's id of the call. */
  requestId: string | undefined;
  /** An event of the answer could not be stored. */
  storeFailed = false;
  #model: string;
  #usage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
  #counted = false;

  constructor(deps: MeterDeps, purpose: 'compaction' | undefined) {
    this.#deps = deps;
    this.#purpose = purpose;
    this.#model = deps.modelId;
  }

  /** Notes the beginning of the answer. */
  start({ model, usage, requestId, instance }: Extract<ModelEvent, { type: 'started' }>): void {
    this.calls = true;
    this.#model = model || this.#model;
    this.#usage = usage;
    this.requestId = requestId;
    this.#instance = instance;
  }

  /** Notes when the first token came. */
  firstToken(): void {
    this.#first ??= performance.now();
  }

  /** Notes the provider's last count. */
  end(usage: Usage): void {
    this.#usage = usage;
    this.#counted = true;
  }

  /** Returns what the call has come to: by the provider's last count; without one, by an estimate. */
  total() {
    const outputTokens = this.#counted
      ? this.#usage.outputTokens
      : Math.max(this.#usage.outputTokens, estimateAnswerTokens(this.chars));
    const usage = { ...this.#usage, outputTokens };
    const costUsd = this.#deps.costOf(this.#model, usage);
    const since = (time: number) => Math.round(time - this.#start);
    return {
      usage,
      costUsd,
      model: this.#model,
      latencyMs: since(performance.now()),
      ...(this.#first === undefined ? {} : { firstTokenMs: since(this.#first) }),
      ...(this.#instance === undefined ? {} : { instance: this.#instance }),
      ...(this.#purpose === undefined ? {} : { purpose: this.#purpose }),
      ...(costUsd === null ? { countedUsd: this.#deps.countedCost(this.#model, usage) } : {}),
    };
  }

  /** Notes whether the work fails. A failing store is not a failing model: the call must not be made again for it. */
  guard(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.storeFailed = true;
      throw error;
    }
  }
}
