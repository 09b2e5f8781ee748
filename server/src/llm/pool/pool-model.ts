import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { EndpointModel, Model, ModelEvent, ModelRequest } from '../model.ts';
import { requestChars } from '../prompt-size.ts';
import { failureOf } from './failure.ts';
import type { Instance, Lane } from './instance.ts';
import type { InstanceLease } from './instance-lease.ts';
import type { Pool } from './pool.ts';
import type { Caller } from './types.ts';

/** Returns the model port of an instance. */
export type Connect = (instance: Instance) => EndpointModel;

/**
 * The model port for all instances of a pool. A call that fails before it answers is repeated at another instance if
 * there is one.
 */
export class PoolModel implements Model {
  readonly #pool: Pool;
  readonly #connect: Connect;
  readonly #caller: Caller;
  readonly #logger: Logger | undefined;

  constructor(pool: Pool, connect: Connect, caller: Caller = {}, logger?: Logger) {
    this.#pool = pool;
    this.#connect = connect;
    this.#caller = caller;
    this.#logger = logger;
  }

  /** Lists the models of all instances. Rejects if none can list any. */
  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const instances = this.#pool.usable.filter(({ draining }) => !draining);
    const answers = await Promise.allSettled(instances.map((instance) => this.#list(instance, signal)));
    const listed = answers.filter((answer) => answer.status === 'fulfilled').flatMap(({ value }) => value);
    const [failed] = answers.filter((answer) => answer.status === 'rejected');
    if (listed.length === 0 && failed) throw failed.reason;
    // Not every instance knows the capabilities of its models. Sort the entries with capabilities last, so that they
    // take precedence below.
    const known = listed.toSorted((a, b) => Number(a.contextTokens !== null) - Number(b.contextTokens !== null));
    return [...new Map(known.map((model) => [model.id, model])).values()];
  }

  async #list(instance: Instance, signal: AbortSignal): Promise<ModelInfo[]> {
    const models = await this.#connect(instance).models(signal);
    return models.filter(({ id }) => instance.serves(id));
  }

  /**
   * Streams the answer from the instance that the pool chooses, and from another one if that fails before it answers.
   */
  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const leaseRequest = {
      model: request.model,
      conversation: this.#caller.conversationId,
      caller: this.#caller.user ?? this.#caller.conversationId ?? '',
      priority: this.#caller.priority ?? 'person',
      promptBytes: requestChars(request),
    };
    const tried = new Set<Lane>();
    for (;;) {
      using lease = await this.#pool.lease(leaseRequest, signal, tried);
      tried.add(lease.lane);
      const { conversationId } = this.#caller;
      const { instanceId: instance } = lease;
      this.#logger?.debug({ conversationId, model: request.model, instance, attempt: tried.size }, 'instance chosen');
      let begun = false;
      try {
        const impatient = this.#pool.hasOther(leaseRequest, tried);
        for await (const event of this.#call(lease, request, impatient, signal)) {
          begun = true;
          yield event;
        }
        lease.succeeded();
        return;
      } catch (error) {
        if (signal.aborted || !(error instanceof ProblemError)) throw error;
        const failure = failureOf(error.problem);
        if (failure === null) lease.succeeded();
        else lease.failed(failure, error.retryAfterMs);
        // An answer that has begun was paid for; the caller shows that it starts again.
        if (begun || failure === null || !this.#pool.hasOther(leaseRequest, tried)) throw error;
      }
    }
  }

  async *#call(
    lease: InstanceLease,
    request: ModelRequest,
    impatient: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent> {
    const model = lease.model ?? request.model;
    const heard = (headers: Headers) => lease.heard((name) => headers.get(name) ?? undefined);
    let measured = false;
    for await (const event of this.#connect(lease.lane.instance).stream({ ...request, model }, signal, {
      heard,
      impatient,
    })) {
      if (!measured && event.type === 'block.started') {
        measured = true;
        lease.firstToken();
      }
      yield event.type === 'started'
        ? { ...event, model: lease.nameOf(event.model), instance: lease.instanceId }
        : event;
    }
  }
}
