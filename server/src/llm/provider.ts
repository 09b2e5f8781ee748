import type { Usage } from '@devlm/protocol/events.ts';
import type { NewInstance } from '@devlm/protocol/instances.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Config } from '../config.ts';
import { AnthropicModel } from './anthropic.ts';
import { KnownModels } from './known-models.ts';
import type { EndpointModel, Model } from './model.ts';
import { type CredentialChange, OwnCredential } from './own-credential.ts';
import { assertInstalled, atPlatform, platformFetch } from './platforms/platform.ts';
import { defaultConcurrency, Instance } from './pool/instance.ts';
import { Pool } from './pool/pool.ts';
import { PoolModel } from './pool/pool-model.ts';
import type { Caller } from './pool/types.ts';
import { costOf, dearestCost, listPrices, type PriceTable } from './prices.ts';
import type { Upstream } from './upstream.ts';

/** The instance of the one credential that the editor or the environment names. */
export const ownInstance = 'own';

/**
 * The model for all that runs on this server: the pool of instances, and the one credential that every server has. As an
 * instance of the pool that counts where there is a key for it, or nothing else.
 */
export class Provider {
  readonly pool: Pool;
  readonly #own: Instance;
  readonly #credential: OwnCredential;
  readonly #known: KnownModels;
  readonly #config: Config;
  readonly #prices: PriceTable;
  readonly #clients = new WeakMap<Instance, Upstream & { readonly client: EndpointModel }>();

  /** @throws ProblemError `conflict` where a configured instance needs what is not installed */
  constructor(config: Config) {
    this.#config = config;
    this.#prices = { ...listPrices, ...config.prices };
    this.#credential = new OwnCredential(config);
    this.pool = new Pool({ aliases: config.aliases });
    this.#known = new KnownModels(this.pool, (signal) => this.model().models(signal), config.model);
    this.#own = new Instance({
      id: ownInstance,
      upstream: () => this.upstream(),
      usable: () => this.#credential.apiKey !== undefined,
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
    return this.#credential.baseUrl;
  }

  /** Whether calls can be made. Only Anthropic's own API needs a key for certain; a local server may take any. */
  get key(): 'set' | 'missing' {
    if (this.pool.instances.some(({ id, draining }) => id !== ownInstance && !draining)) return 'set';
    return this.#credential.key;
  }

  /** Changes the one credential. Returns whether anything changed. */
  setCredential(change: CredentialChange): boolean {
    if (!this.#credential.set(change)) return false;
    this.#own.configure(this.#own.options);
    this.pool.changed();
    return true;
  }

  /** An editor has said what it has to say about the credential of this launch, be it nothing. */
  handOver(): void {
    this.#credential.handOver();
  }

  /** Resolves after `handOver`, or after the time without one. */
  whenHandedOver(milliseconds: number, signal: AbortSignal): Promise<void> {
    return this.#credential.whenHandedOver(milliseconds, signal);
  }

  /**
   * Where calls of the one credential go, and with which key.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    return this.#credential.upstream();
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
  connect(instance: Instance): EndpointModel {
    const { apiKey, baseUrl, send } = instance.options.upstream();
    const known = this.#clients.get(instance);
    if (known?.apiKey === apiKey && known.baseUrl === baseUrl && known.send === send) return known.client;
    const { streamIdleMs, maxOutputTokens } = this.#config;
    const client = new AnthropicModel({ apiKey, baseUrl, send, streamIdleMs, maxOutputTokens });
    this.#clients.set(instance, { apiKey, baseUrl, send, client });
    return client;
  }

  /** Returns the models that any instance lists. Rejects where none lists any. */
  models(signal: AbortSignal): Promise<ModelInfo[]> {
    return this.#known.models(signal);
  }

  /** Returns the configured model; else the newest Sonnet that the provider lists; else its first. */
  defaultModel(signal: AbortSignal): Promise<string> {
    return this.#known.defaultModel(signal);
  }

  /** Returns the tokens that fit the window of a model, as the provider lists it; null when it does not say so in time. */
  contextTokens(id: string, signal: AbortSignal): Promise<number | null> {
    return this.#known.contextTokens(id, signal);
  }

  /** US dollars, or null when the price is not known. */
  costOf(model: string, usage: Usage): number | null {
    return costOf(model, usage, this.#prices);
  }

  /** What budgets count: the cost, or where the price is not known that of the dearest model. */
  countedCost(model: string, usage: Usage): number {
    return this.costOf(model, usage) ?? dearestCost(usage, this.#prices);
  }
}
