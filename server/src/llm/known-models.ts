import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Pool } from './pool/pool.ts';

/** Taken when the model list cannot be read: the middle of the range, as of October 2026. */
const fallbackModel = 'claude-sonnet-5-5';
/** How long a list is kept, in milliseconds: new models appear while a server runs. */
const listKeptMs = 10 * 60_000;
/** How long a turn waits for the model list when it names no model, in milliseconds. */
const listTimeoutMs = 5_000;

/** The models that the instances of the pool list, kept for a while, and what turns want to know of them. */
export class KnownModels {
  readonly #pool: Pool;
  readonly #list: (signal: AbortSignal) => Promise<ModelInfo[]>;
  readonly #configured: string | undefined;
  #listed: { readonly models: ModelInfo[]; readonly generation: number; readonly until: number } | undefined;
  /** Until when providers that did not list their models are not asked again by a turn. */
  #unlisted = { generation: -1, until: 0 };

  /**
   * @param list asks the instances
   * @param configured the model that the configuration names, if any
   */
  constructor(pool: Pool, list: (signal: AbortSignal) => Promise<ModelInfo[]>, configured: string | undefined) {
    this.#pool = pool;
    this.#list = list;
    this.#configured = configured;
  }

  /** Returns all models. Rejects where no instance lists any. */
  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const { generation } = this.#pool;
    if (this.#listed?.generation === generation && performance.now() < this.#listed.until) return this.#listed.models;
    const models = await this.#list(signal);
    // The credential may have changed meanwhile.
    if (this.#pool.generation === generation)
      this.#listed = { models, generation, until: performance.now() + listKeptMs };
    return models;
  }

  /** Returns the configured model; else the newest Sonnet that the provider lists; else its first. */
  async defaultModel(signal: AbortSignal): Promise<string> {
    if (this.#configured) return this.#configured;
    try {
      const listed = await this.models(AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]));
      return (listed.find((model) => /sonnet/i.test(model.id)) ?? listed[0])?.id ?? fallbackModel;
    } catch {
      signal.throwIfAborted();
      return fallbackModel;
    }
  }

  /** Returns the tokens that fit the window of a model, as the provider lists it; null when it does not say so in time. */
  async contextTokens(id: string, signal: AbortSignal): Promise<number | null> {
    const { generation } = this.#pool;
    if (this.#unlisted.generation === generation && performance.now() < this.#unlisted.until) return null;
    const [model = id] = this.#pool.modelsOf(id);
    try {
      const listed = await this.models(AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]));
      const found = listed.find((one) => one.id === model) ?? listed.find((one) => one.id.startsWith(`${model}-`));
      return found?.contextTokens ?? null;
    } catch {
      signal.throwIfAborted();
      this.#unlisted = { generation, until: performance.now() + listKeptMs };
      return null;
    }
  }
}
