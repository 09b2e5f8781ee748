import { setTimeout as sleep } from 'node:timers/promises';
import type { Usage } from '@devlm/protocol/events.ts';
import type { NewInstance } from '@devlm/protocol/instances.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Config } from '../config.ts';
import { AnthropicModel } from './anthropic.ts';
import type { Model } from './model.ts';
import { assertInstalled, atPlatform, platformFetch } from './platforms/platform.ts';
import { defaultConcurrency, Instance } from './pool/instance.ts';
import { Pool } from './pool/pool.ts';
import { type Caller, PoolModel } from './pool/pool-model.ts';
import { costOf, dearestCost, listPrices, type PriceTable } from './prices.ts';
import { modelProblem } from './problems.ts';
import type { Credential, Upstream } from './upstream.ts';

/** Taken when the model list cannot be read: the middle of the range, as of October 2026. */
const fallbackModel = 'claude-sonnet-5-5';
/** New models appear while a server runs. */
const listKeptMs = 10 * 60_000;
/** How long a turn waits for the model list when it names no model. */
const listTimeoutMs = 5_000;

/** The instance of the one credential that the editor or the environment names. */
export const ownInstance = 'own';

/**
 * The model for all that runs on this server: the pool of instances, and the one credential that every server
 * has. That is kept in memory only: what the editor sets counts before what the server was started with. As an
 * instance of the pool it counts where there is a key for it, or nothing else.
 */
export class Provider {
  readonly pool: Pool;
  readonly #own: Instance;
  readonly #config: Config;
  readonly #prices: PriceTable;
  #override: Credential = { apiKey: null, baseUrl: null };
  readonly #clients = new WeakMap<Instance, Upstream & { readonly client: AnthropicModel }>();
  #listed: { readonly models: ModelInfo[]; readonly generation: number; readonly until: number } | undefined;
  /** Until when providers that did not list their models are not asked again by a turn. */
  #unlisted = { generation: -1, until: 0 };
  readonly #handedOver = Promise.withResolvers<void>();

  /** @throws ProblemError `conflict` where a configured instance needs what is not installed */
  constructor(config: Config) {
    this.#config = config;
    this.#prices = { ...listPrices, ...config.prices };
    this.pool = new Pool({ aliases: config.aliases });
    this.#own = new Instance({
      id: ownInstance,
      upstream: () => this.upstream(),
      usable: () => this.#apiKey() !== undefined,
      // The editor of one person is no reason to wait.
      concurrency: 16 * defaultConcurrency,
    });
    this.pool.put(this.#own);
    for (const instance of config.instances) {
      assertInstalled(instance);
      this.put(instance);
    }
  }

  get baseUrl(): string {
    return this.#override.baseUrl ?? this.#config.baseUrl;
  }

  /** Only Anthropic's own API needs a key for certain; a local server may take any. */
  get key(): 'set' | 'missing' {
    if (this.pool.instances.some(({ id, draining }) => id !== ownInstance && !draining)) return 'set';
    return this.#ownKey;
  }

  get #ownKey(): 'set' | 'missing' {
    if (this.#apiKey()) return 'set';
    return new URL(this.baseUrl).hostname.endsWith('anthropic.com') ? 'missing' : 'set';
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
    this.#own.configure(this.#own.options);
    this.pool.changed();
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
   * Where calls of the one credential go, and with which key.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    if (this.#ownKey === 'missing') throw modelProblem('missing_key', 'Add a Claude API key to send messages.');
    const apiKey = this.#apiKey() || 'none';
    // Anything else cannot stand in a header, and would fail as if the network had.
    if (!/^[\x21-\x7e]+$/.test(apiKey))
      throw modelProblem('bad_key', 'The API key has a character that no key has. Copy it again, and set it.');
    return { apiKey, baseUrl: this.baseUrl };
  }

  /**
   * The pool as one model.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  model(caller?: Caller): Model {
    if (this.pool.usable.every(({ id }) => id === ownInstance)) this.upstream();
    return new PoolModel(this.pool, (instance) => this.connect(instance), caller);
  }

  /** Adds an instance to the pool, or changes the one of the same id. */
  put(settings: NewInstance): Instance {
    const { id, models, modelIds, weight, concurrency, provider, region, projectId } = settings;
    const upstream = this.#upstreamOf(settings);
    const options = {
      id,
      models: [...new Set([...models, ...Object.keys(modelIds)])],
      modelIds,
      weight,
      concurrency,
      place: { provider, region, projectId },
      countsTokens: provider !== 'bedrock',
      upstream: () => upstream,
    };
    const known = this.pool.instances.find((instance) => instance.id === id);
    const instance = known ?? new Instance(options);
    known?.configure(options);
    this.pool.put(instance);
    return instance;
  }

  #upstreamOf(settings: NewInstance): Upstream {
    const platform = atPlatform(settings);
    if (platform) return { apiKey: 'none', baseUrl: platform.baseUrl, send: platformFetch(platform) };
    return { apiKey: settings.apiKey ?? 'none', baseUrl: settings.baseUrl ?? this.#config.baseUrl };
  }

  /**
   * The client of an instance, which remembers what models it has listed; another one after its key has changed.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  connect(instance: Instance): AnthropicModel {
    const { apiKey, baseUrl, send } = instance.options.upstream();
    const known = this.#clients.get(instance);
    if (known?.apiKey === apiKey && known.baseUrl === baseUrl && known.send === send) return known.client;
    const { streamIdleMs, maxOutputTokens } = this.#config;
    const client = new AnthropicModel({ apiKey, baseUrl, send, streamIdleMs, maxOutputTokens });
    this.#clients.set(instance, { apiKey, baseUrl, send, client });
    return client;
  }

  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const { generation } = this.pool;
    if (this.#listed?.generation === generation && performance.now() < this.#listed.until) return this.#listed.models;
    const models = await this.model().models(signal);
    // The credential may have changed meanwhile.
    if (this.pool.generation === generation)
      this.#listed = { models, generation, until: performance.now() + listKeptMs };
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
    const { generation } = this.pool;
    if (this.#unlisted.generation === generation && performance.now() < this.#unlisted.until) return null;
    const [model = id] = this.pool.modelsOf(id);
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

  /** US dollars, or null when the price is not known. */
  costOf(model: string, usage: Usage): number | null {
    return costOf(model, usage, this.#prices);
  }

  /** What budgets count: the cost, or where the price is not known that of the dearest model. */
  countedCost(model: string, usage: Usage): number {
    return this.costOf(model, usage) ?? dearestCost(usage, this.#prices);
  }

  #apiKey(): string | undefined {
    return this.#override.apiKey ?? this.#config.apiKey;
  }
}
