import { setTimeout as sleep } from 'node:timers/promises';
import type { Usage } from '@devlm/protocol/events.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Config } from '../config.ts';
import { AnthropicModel } from './anthropic.ts';
import type { Model } from './model.ts';
import { costOf, listPrices, type PriceTable } from './prices.ts';
import { modelProblem } from './problems.ts';

export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

export interface Upstream {
  readonly apiKey: string;
  readonly baseUrl: string;
}

/** Taken when the model list cannot be read: the middle of the range, as of October 2026. */
const fallbackModel = 'claude-sonnet-5-5';
/** New models appear while a server runs. */
const listKeptMs = 10 * 60_000;
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
  #listed: { readonly models: ModelInfo[]; readonly until: number } | undefined;
  /** Until when a provider that did not list its models is not asked again by a turn. */
  #unlisted = { model: undefined as Model | undefined, until: 0 };
  readonly #handedOver = Promise.withResolvers<void>();

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

  /** What is absent stays as it is: two editors may know one half each. Answers whether anything changed. */
  setCredential(change: { readonly [K in keyof Credential]?: Credential[K] | undefined }): boolean {
    const credential = {
      apiKey: change.apiKey === undefined ? this.#override.apiKey : change.apiKey,
      baseUrl: change.baseUrl === undefined ? this.#override.baseUrl : change.baseUrl,
    };
    this.handOver();
    const { apiKey, baseUrl } = this.#override;
    if (apiKey === credential.apiKey && baseUrl === credential.baseUrl) return false;
    this.#override = credential;
    this.#model = undefined;
    this.#listed = undefined;
    return true;
  }

  /** An editor has said what it has to say about the credential of this launch, be it nothing. */
  handOver(): void {
    this.#handedOver.resolve();
  }

  /** Resolves after `handOver`, or after the time without one. */
  async whenHandedOver(milliseconds: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const both = AbortSignal.any([signal, waiting.signal]);
    await Promise.race([
      this.#handedOver.promise,
      sleep(milliseconds, undefined, { signal: both, ref: false }).catch(() => undefined),
    ]);
    waiting.abort();
  }

  /**
   * Where calls go, and with which key.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    if (this.key === 'missing') throw modelProblem('missing_key', 'Add a Claude API key to send messages.');
    const apiKey = this.#apiKey() || 'none';
    // Anything else cannot stand in a header, and would fail as if the network had.
    if (!/^[\x21-\x7e]+$/.test(apiKey))
      throw modelProblem('bad_key', 'The API key has a character that no key has. Copy it again, and set it.');
    return { apiKey, baseUrl: this.baseUrl };
  }

  /** @throws ProblemError `missing_key`, `bad_key` */
  model(): Model {
    this.#model ??= new AnthropicModel({
      ...this.upstream(),
      streamIdleMs: this.#config.streamIdleMs,
      maxOutputTokens: this.#config.maxOutputTokens,
    });
    return this.#model;
  }

  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const model = this.model();
    if (this.#listed && performance.now() < this.#listed.until) return this.#listed.models;
    const models = await model.models(signal);
    // The credential may have changed meanwhile.
    if (this.#model === model) this.#listed = { models, until: performance.now() + listKeptMs };
    return models;
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

  /** Tokens that fit the window of a model, as the provider lists it; null when it does not say so in time. */
  async contextTokens(id: string, signal: AbortSignal): Promise<number | null> {
    const model = this.model();
    if (this.#unlisted.model === model && performance.now() < this.#unlisted.until) return null;
    try {
      const listed = await this.models(AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]));
      const found = listed.find((entry) => entry.id === id) ?? listed.find((entry) => entry.id.startsWith(`${id}-`));
      return found?.contextTokens ?? null;
    } catch {
      signal.throwIfAborted();
      this.#unlisted = { model, until: performance.now() + listKeptMs };
      return null;
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
