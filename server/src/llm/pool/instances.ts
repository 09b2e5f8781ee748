import type { InstanceInfo, InstanceTest, InstanceTested, NewInstance } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { StoredInstance } from '../../storage/ports/instances.ts';
import type { Store } from '../../storage/ports/store.ts';
import { conflict, notFound } from '../../storage/problems.ts';
import { assertInstalled } from '../platforms/platform.ts';
import { ownInstance, type Provider } from '../provider.ts';
import type { Instance } from './instance.ts';
import { testInstance } from './instance-test.ts';

/** Maximum number of instances in the pool. */
const maxInstances = 256;
/** Interval at which changes by other nodes that share the database are read, in milliseconds. */
const reloadIntervalMs = 15_000;

/** Manages the instances of the pool at run time: adds, changes and removes those in the store. */
export class Instances implements Disposable {
  readonly #store: Store;
  readonly #provider: Provider;
  /** The stored instances as last put into the pool, by id. */
  readonly #stored = new Map<string, StoredInstance>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(store: Store, provider: Provider) {
    this.#store = store;
    this.#provider = provider;
  }

  /** Loads the stored instances into the pool, and keeps them up to date with other nodes on PostgreSQL. */
  static async open(store: Store, provider: Provider): Promise<Instances> {
    const instances = new Instances(store, provider);
    await instances.#load();
    if (store.kind === 'postgres')
      // A failed read is repeated at the next interval.
      instances.#timer = setInterval(() => void instances.#load().catch(() => undefined), reloadIntervalMs).unref();
    return instances;
  }

  /** Returns all instances of the pool. */
  list(): InstanceInfo[] {
    return this.#provider.pool.instances.map((instance) => this.#info(instance));
  }

  /**
   * Adds an instance to the store and the pool.
   *
   * @throws ProblemError `conflict`
   */
  async add(instance: NewInstance): Promise<InstanceInfo> {
    const { instances } = this.#provider.pool;
    if (instances.some(({ id }) => id === instance.id))
      throw conflict(`An instance ${instance.id} already exists. Remove it first, or replace its key.`);
    if (instances.length >= maxInstances)
      throw conflict(`The maximum of ${maxInstances} instances has been reached. Remove one first.`);
    assertInstalled(instance);
    return this.#save({ ...instance, draining: false });
  }

  /**
   * Replaces the key of a stored instance.
   *
   * @throws ProblemError `not_found`, `conflict`; `invalid_request` if the key is not valid for such an instance
   */
  async rotate(id: string, apiKey: string): Promise<InstanceInfo> {
    const checked = StoredInstance.safeParse({ ...this.#storedInstance(id), apiKey });
    if (!checked.success)
      throw new ProblemError({
        code: 'invalid_request',
        status: 400,
        title: 'Invalid request',
        detail: checked.error.issues.map(({ message }) => message).join('; '),
      });
    return this.#save(checked.data);
  }

  /**
   * Starts or ends draining an instance. For an instance that is not in the store, this lasts until the server ends.
   *
   * @throws ProblemError `not_found`
   */
  async drain(id: string, draining: boolean): Promise<InstanceInfo> {
    const instance = this.#find(id);
    const stored = this.#stored.get(id);
    if (stored) return this.#save({ ...stored, draining });
    instance.draining = draining;
    this.#provider.pool.changed();
    return this.#info(instance);
  }

  /**
   * Removes a stored instance. Calls under way continue.
   *
   * @throws ProblemError `not_found`, `conflict`
   */
  async remove(id: string): Promise<InstanceInfo> {
    const instance = this.#find(id);
    this.#storedInstance(id);
    const info = this.#info(instance);
    await this.#store.instances.remove(id);
    this.#drop(id);
    return info;
  }

  /**
   * Tests an instance by a call of one token that bypasses the queue and the breaker.
   *
   * @throws ProblemError `not_found`
   */
  async test(id: string, { model }: InstanceTest, signal: AbortSignal): Promise<InstanceTested> {
    return testInstance(this.#find(id), model, { store: this.#store, provider: this.#provider }, signal);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #load(): Promise<void> {
    const stored = await this.#store.instances.list();
    for (const id of this.#stored.keys()) if (!stored.some((instance) => instance.id === id)) this.#drop(id);
    for (const instance of stored)
      if (JSON.stringify(this.#stored.get(instance.id)) !== JSON.stringify(instance)) this.#put(instance);
  }

  async #save(instance: StoredInstance): Promise<InstanceInfo> {
    await this.#store.instances.save(instance);
    return this.#info(this.#put(instance));
  }

  #put(stored: StoredInstance): Instance {
    const instance = this.#provider.put(stored);
    instance.draining = stored.draining;
    this.#stored.set(stored.id, stored);
    this.#provider.pool.changed();
    return instance;
  }

  #drop(id: string): void {
    this.#stored.delete(id);
    this.#provider.pool.remove(id);
  }

  #find(id: string): Instance {
    const found = this.#provider.pool.instances.find((instance) => instance.id === id);
    if (!found) throw notFound('instance');
    return found;
  }

  /**
   * Returns a stored instance.
   *
   * @throws ProblemError `not_found`; `conflict` if the instance is in the configuration
   */
  #storedInstance(id: string): StoredInstance {
    this.#find(id);
    const stored = this.#stored.get(id);
    if (!stored)
      throw conflict('This instance is defined in the configuration file. Change it there, and restart the server.');
    return stored;
  }

  #info(instance: Instance): InstanceInfo {
    const now = performance.now();
    const { id, options } = instance;
    return {
      id,
      provider: 'anthropic',
      ...options.place,
      host: this.#hostOf(instance),
      source: id === ownInstance ? 'own' : this.#stored.has(id) ? 'store' : 'file',
      state: instance.draining ? 'draining' : this.#provider.pool.usable.includes(instance) ? 'ready' : 'not-used',
      models: [...(options.models ?? [])],
      modelIds: { ...options.modelIds },
      weight: options.weight ?? 1,
      concurrency: instance.concurrency,
      calls: instance.busy,
      health: [...instance.lanes].map((lane) => ({
        model: lane.model,
        breaker: lane.breaker.state,
        restMs: Math.ceil(lane.waitMs(1, now)),
        firstTokenMs: lane.firstMs === null ? null : Math.round(lane.firstMs),
        failure: lane.breaker.last,
      })),
    };
  }

  #hostOf({ id, options }: Instance): string {
    return new URL(id === ownInstance ? this.#provider.baseUrl : options.upstream().baseUrl).origin;
  }
}
