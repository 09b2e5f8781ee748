import type { Usage } from '@devlm/protocol/events.ts';
import type { NewInstance } from '@devlm/protocol/instances.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
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

/** Id of the instance with the server's own credential, which the editor or the environment provides. */
export const ownInstance = 'own';

/**
 * The models of this server: the pool of instances, and the server's own credential. Calls go to the server's own
 * instance only if it has a key or if there is no other instance.
 */
export class Provider {
  readonly pool: Pool;
  readonly #own: Instance;
  readonly #credential: OwnCredential;
  readonly #known: KnownModels;
  readonly #config: Config;
  readonly #logger: Logger | undefined;
  readonly #prices: PriceTable;
  readonly #clients = new WeakMap<Instance, Upstream & { readonly client: EndpointModel }>();

  /** @throws ProblemError `conflict` if a configured instance needs a platform that is not installed */
  constructor(config: Config, logger?: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#prices = { ...listPrices, ...config.prices };
    this.#credential = new OwnCredential(config);
    this.pool = new Pool({ aliases: config.aliases });
    this.#known = new KnownModels(this.pool, (signal) => this.model().models(signal), config.model);
    this.#own = new Instance({
      id: ownInstance,
      upstream: () => this.upstream(),
      usable: () => this.#credential.apiKey !== undefined,
      // Far above the default, because calls of a single user's editor need not be queued.
      concurrency: 16 * defaultConcurrency,
    });
    this.pool.put(this.#own);
    for (const instance of config.instances) {
      assertInstalled(instance);
      this.put(instance);
    }
  }

  /** Base URL of the server's own credential. */
  get baseUrl(): string {
    return this.#credential.baseUrl;
  }

  /** Whether calls can be made. Only Anthropic's own API is known to need a key; a local server may accept any. */
  get key(): 'set' | 'missing' {
    if (this.pool.instances.some(({ id, draining }) => id !== ownInstance && !draining)) return 'set';
    return this.#credential.key;
  }

  /** Changes the server's own credential. Returns whether anything changed. */
  setCredential(change: CredentialChange): boolean {
    if (!this.#credential.set(change)) return false;
    this.#own.configure(this.#own.options);
    this.pool.changed();
    return true;
  }

  /** Records that an editor has sent all that it knows about the credential of this launch, even if that is nothing. */
  handOver(): void {
    this.#credential.handOver();
  }

  /** Resolves when `handOver` has been called, or after the given time. */
  whenHandedOver(milliseconds: number, signal: AbortSignal): Promise<void> {
    return this.#credential.whenHandedOver(milliseconds, signal);
  }

  /**
   * Returns the endpoint and key of the server's own credential.
   *
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    return this.#credential.upstream();
  }

  /**
   * Returns the pool as one model.
   *
   * @throws ProblemError `missing_key`, `bad_key`
   */
  model(caller?: Caller): Model {
    if (this.pool.usable.every(({ id }) => id === ownInstance)) this.upstream();
    return new PoolModel(this.pool, (instance) => this.connect(instance), caller, this.#logger);
  }

  /** Adds an instance to the pool, or changes the one with the same id. */
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
   * Returns the client of an instance, which remembers the models that it has listed. A new client is created when the
   * key or endpoint changes.
   *
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

  /** Returns the models that any instance lists. Rejects if no instance lists any. */
  models(signal: AbortSignal): Promise<ModelInfo[]> {
    return this.#known.models(signal);
  }

  /**
   * Returns the configured model, or else the newest Sonnet that the provider lists, or else the first model listed.
   */
  defaultModel(signal: AbortSignal): Promise<string> {
    return this.#known.defaultModel(signal);
  }

  /** Returns the size of a model's context window in tokens, or null if the provider does not list it in time. */
  contextTokens(id: string, signal: AbortSignal): Promise<number | null> {
    return this.#known.contextTokens(id, signal);
  }

  /** Returns the cost of a call in US dollars, or null if the price is not known. */
  costOf(model: string, usage: Usage): number | null {
    return costOf(model, usage, this.#prices);
  }

  /**
   * Returns the cost that budgets count, in US dollars: the cost of the call, or that of the most expensive model if
   * the price is not known.
   */
  countedCost(model: string, usage: Usage): number {
    return this.costOf(model, usage) ?? dearestCost(usage, this.#prices);
  }
}
