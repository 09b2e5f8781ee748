import type { Usage } from '@devlm/protocol/events.ts';
import type { ModelInfo } from '@devlm/protocol/routes.ts';
import type { Config } from '../config.ts';
import { AnthropicModel } from './anthropic.ts';
import type { Model } from './model.ts';
import { costOf, listPrices, type PriceTable } from './prices.ts';
import { modelProblem } from './problems.ts';

export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

/** Taken when the model list cannot be read: the middle of the range, as of October 2026. */
const fallbackModel = 'claude-sonnet-5-5';
/** How long a turn waits for the model list when it names no model. */
const listTimeoutMs = 5_000;

/**
 * The one place that knows the credential. It is kept in memory only: what the editor sets
 * counts before what the server was started with.
 */
export class Provider {
  readonly #config: Config;
  readonly #prices: PriceTable;
  #override: Credential = { apiKey: null, baseUrl: null };
  #model: Model | undefined;
  #listed: ModelInfo[] | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(config: Config) {
    this.#config = config;
    this.#prices = { ...listPrices, ...config.prices };
  }

  get baseUrl(): string {
    return this.#override.baseUrl ?? this.#config.baseUrl;
  }

  /** Only Anthropic's own API needs a key for certain; a local server may take any. */
  get key(): 'set' | 'missing' {
    const needed = new URL(this.baseUrl).hostname.endsWith('anthropic.com');
    return this.#apiKey() || !needed ? 'set' : 'missing';
  }

  /** Answers whether anything changed. */
  setCredential(credential: Credential): boolean {
    const { apiKey, baseUrl } = this.#override;
    if (apiKey === credential.apiKey && baseUrl === credential.baseUrl) return false;
    this.#override = credential;
    this.#model = undefined;
    this.#listed = undefined;
    if (this.key === 'set') for (const resolve of this.#waiting) resolve();
    return true;
  }

  /** Resolves when a credential is known, or after the time without one. */
  async whenKeySet(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.key === 'set') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#waiting.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  /** @throws ProblemError `missing_key` */
  model(): Model {
    if (this.key === 'missing') throw modelProblem('missing_key', 'Add a Claude API key to send messages.');
    this.#model ??= new AnthropicModel({
      apiKey: this.#apiKey() || 'none',
      baseUrl: this.baseUrl,
      streamIdleMs: this.#config.streamIdleMs,
      maxOutputTokens: this.#config.maxOutputTokens,
    });
    return this.#model;
  }

  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    this.#listed ??= await this.model().models(signal);
    return this.#listed;
  }

  /** The configured model; else the newest Sonnet that the provider lists; else its first. */
  async defaultModel(signal: AbortSignal): Promise<string> {
    if (this.#config.model) return this.#config.model;
    try {
      const listed = await this.models(AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]));
      return (listed.find((model) => /sonnet/i.test(model.id)) ?? listed[0])?.id ?? fallbackModel;
    } catch {
      signal.throwIfAborted();
      return fallbackModel;
    }
  }

  /** US dollars, or null when the price is not known. */
  costOf(model: string, usage: Usage): number | null {
    return costOf(model, usage, this.#prices);
  }

  #apiKey(): string | undefined {
    return this.#override.apiKey ?? this.#config.apiKey;
  }
}
