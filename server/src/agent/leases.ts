import type { Logger } from 'pino';
import type { FreeTurn, Lease } from '../storage/ports/leases.ts';
import type { Store } from '../storage/ports/store.ts';

/** How long a conversation stays with a node that says nothing more, milliseconds: then another goes on with its turn. */
const leaseMs = 15_000;
/** How often a node says that it is there, milliseconds. */
const heartbeatMs = 5_000;

/** Another node runs the conversation's turns by now, or may. */
class LeaseLost extends Error {}

/** A lease while this node has it. */
export interface HeldLease {
  readonly lease: Lease;
  /** Aborts with `LeaseLost`. */
  readonly lost: AbortSignal;
}

interface Held extends HeldLease {
  readonly controller: AbortController;
  /** By `performance.now()`: when it was surely this node's. */
  knownAt: number;
}

/** The conversations whose turns this node runs. It keeps them as long as it lives and reaches the store. */
export class Leases implements AsyncDisposable {
  readonly #store: Store;
  readonly #node: string;
  readonly #logger: Logger;
  readonly #held = new Map<Lease, Held>();
  #heartbeat: NodeJS.Timeout | undefined;
  #beating = false;

  /** @param node the same after this node has started again, and nobody else's */
  constructor(store: Store, node: string, logger: Logger) {
    this.#store = store;
    this.#node = node;
    this.#logger = logger;
  }

  /** Null: another node has it. */
  async take(conversationId: string): Promise<HeldLease | null> {
    const knownAt = performance.now();
    const lease = await this.#store.leases.take(conversationId, this.#node, leaseMs);
    if (!lease) return null;
    const controller = new AbortController();
    const held: Held = { lease, controller, lost: controller.signal, knownAt };
    this.#held.set(lease, held);
    this.#heartbeat ??= setInterval(() => void this.#beat(), heartbeatMs).unref();
    return held;
  }

  /** Never rejects: what cannot be given back lapses. */
  async release(held: HeldLease): Promise<void> {
    this.#forget(held);
    if (held.lost.aborted) return;
    await this.#store.leases.release(held.lease).catch((error: unknown) => this.#logger.warn({ err: error }, 'lease'));
  }

  /** It has turned out that another node has it. */
  lose({ lease }: HeldLease): void {
    const held = this.#held.get(lease);
    // Given back in the meantime.
    if (!held) return;
    this.#forget(held);
    this.#logger.warn({ conversationId: lease.conversationId }, 'another server may have taken over this conversation');
    held.controller.abort(new LeaseLost());
  }

  /** Open turns of conversations that no other node has, oldest first. */
  freeTurns(limit: number): Promise<FreeTurn[]> {
    return this.#store.leases.freeTurns(this.#node, limit);
  }

  /** Whether another node runs the turns of the conversation. */
  async elsewhere(conversationId: string): Promise<boolean> {
    const holder = await this.#store.leases.holder(conversationId);
    return holder !== null && holder !== this.#node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#held.values()].map((held) => this.release(held)));
  }

  async #beat(): Promise<void> {
    if (this.#beating) return this.#loseOld();
    this.#beating = true;
    const from = performance.now();
    const asked = [...this.#held.values()];
    try {
      const leases = asked.map(({ lease }) => lease);
      const kept = new Set(await this.#store.leases.renew(leases, this.#node, leaseMs));
      for (const held of asked) {
        if (kept.has(held.lease)) held.knownAt = from;
        else this.lose(held);
      }
    } catch (error) {
      this.#logger.warn({ err: error }, 'leases could not be renewed');
      this.#loseOld();
    } finally {
      this.#beating = false;
    }
  }

  /** Without the store nobody knows whose they are: before another node can have them. */
  #loseOld(): void {
    for (const held of this.#held.values())
      if (performance.now() - held.knownAt > leaseMs - heartbeatMs) this.lose(held);
  }

  #forget(held: HeldLease): void {
    this.#held.delete(held.lease);
    if (this.#held.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}
