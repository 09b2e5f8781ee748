import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Pool } from './pool/pool.ts';

/** Default model if the model list cannot be read: the middle of the range, as of October 2026. */
const fallbackModel = 'claude-sonnet-5-5';
/** Time for which a list is cached, in milliseconds. New models appear while a server runs. */
const listTtlMs = 10 * 60_000;
/** Maximum time that a turn that names no model waits for the model list, in milliseconds. */
const listTimeoutMs = 5_000;

/** The models that the instances of the pool list, cached for a while. */
export class KnownModels {
  readonly #pool: Pool;
  readonly #list: (signal: AbortSignal) => Promise<ModelInfo[]>;
  readonly #configured: string | undefined;
  #listed: { readonly models: ModelInfo[]; readonly generation: number; readonly until: number } | undefined;
  /** Time until which turns do not request the list again after a failure. */
  #unlisted = { generation: -1, until: 0 };

  /**
   * @param list requests the list from the instances
   * @param configured the model that the configuration names, if any
   */
  constructor(pool: Pool, list: (signal: AbortSignal) => Promise<ModelInfo[]>, configured: string | undefined) {
    this.#pool = pool;
    this.#list = list;
    this.#configured = configured;
  }

  /** Returns all models. Rejects if no instance lists any. */
  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const { generation } = this.#pool;
    if (this.#listed?.generation === generation && performance.now() < this.#listed.until) return this.#listed.models;
    const models = await this.#list(signal);
    // Do not cache the list if the instances have changed meanwhile.
    if (this.#pool.generation === generation)
      this.#listed = { models, generation, until: performance.now() + listTtlMs };
    return models;
  }

  /**
   * Returns the configured model, or else the newest Sonnet that the provider lists, or else the first model listed.
   */
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

  /** Returns the size of a model's context window in tokens, or null if the provider does not list it in time. */
  async contextTokens(id: string, signal: AbortSignal): Promise<number | null> {
    const { generation } = this.#pool;
    if (this.#unlisted.generation === generation && performance.now() < this.#unlisted.until) return null;
    const [model = id] = this.#pool.modelsOf(id);
    try {
      const listed = await this.models(AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]));
      const found = listed.find((info) => info.id === model) ?? listed.find((info) => info.id.startsWith(`${model}-`));
      return found?.contextTokens ?? null;
    } catch {
      signal.throwIfAborted();
      this.#unlisted = { generation, until: performance.now() + listTtlMs };
      return null;
    }
  }
}
