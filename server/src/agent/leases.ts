import type { Logger } from 'pino';
import type { FreeTurn, Lease } from '../storage/ports/leases.ts';
import type { Store } from '../storage/ports/store.ts';

/** Time after the last renewal at which a lease expires and another node may continue the turn, in milliseconds. */
const leaseMs = 15_000;
/** Interval at which a node renews its leases, in milliseconds. */
const heartbeatMs = 5_000;

/** Signals that another node now runs the conversation's turns, or may run them. */
class LeaseLost extends Error {}

/** A lease that this node holds. */
export interface HeldLease {
  readonly lease: Lease;
  /** Aborts with `LeaseLost`. */
  readonly lost: AbortSignal;
}

/** A lease that this node holds and renews. */
interface RenewedLease extends HeldLease {
  readonly controller: AbortController;
  /** Latest time at which this node certainly held the lease, as of `performance.now()`. */
  knownAt: number;
}

/**
 * The leases of the conversations whose turns this node runs. A lease is renewed as long as the node lives and reaches
 * the store.
 */
export class Leases implements AsyncDisposable {
  readonly #store: Store;
  readonly #node: string;
  readonly #logger: Logger;
  readonly #held = new Map<Lease, RenewedLease>();
  #heartbeat: NodeJS.Timeout | undefined;
  #isRenewing = false;

  /** @param node id of this node: unique, and the same after a restart */
  constructor(store: Store, node: string, logger: Logger) {
    this.#store = store;
    this.#node = node;
    this.#logger = logger;
  }

  /** Takes the lease of a conversation. Returns null if another node holds it. */
  async take(conversationId: string): Promise<HeldLease | null> {
    const knownAt = performance.now();
    const lease = await this.#store.leases.take(conversationId, this.#node, leaseMs);
    if (!lease) return null;
    const controller = new AbortController();
    const held: RenewedLease = { lease, controller, lost: controller.signal, knownAt };
    this.#held.set(lease, held);
    this.#logger.debug({ conversationId, fence: lease.fence }, 'lease taken');
    this.#heartbeat ??= setInterval(() => void this.#renew(), heartbeatMs).unref();
    return held;
  }

  /** Gives a lease back. Never rejects: a lease that cannot be given back expires. */
  async release(held: HeldLease): Promise<void> {
    this.#forget(held);
    if (held.lost.aborted) return;
    this.#logger.debug({ conversationId: held.lease.conversationId }, 'lease released');
    await this.#store.leases.release(held.lease).catch((error: unknown) => this.#logger.warn({ err: error }, 'lease'));
  }

  /** Drops a lease after another node turned out to hold it, and aborts its `lost` signal. */
  lose({ lease }: HeldLease): void {
    const held = this.#held.get(lease);
    // It was given back in the meantime.
    if (!held) return;
    this.#forget(held);
    this.#logger.warn({ conversationId: lease.conversationId }, 'another server may have taken over this conversation');
    held.controller.abort(new LeaseLost());
  }

  /** Returns the open turns of conversations that no other node holds, oldest first. */
  freeTurns(limit: number): Promise<FreeTurn[]> {
    return this.#store.leases.freeTurns(this.#node, limit);
  }

  /** Returns whether another node runs the turns of the conversation. */
  async elsewhere(conversationId: string): Promise<boolean> {
    const holder = await this.#store.leases.holder(conversationId);
    return holder !== null && holder !== this.#node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#held.values()].map((held) => this.release(held)));
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing) return this.#loseExpiring();
    this.#isRenewing = true;
    const startedAt = performance.now();
    const current = [...this.#held.values()];
    try {
      const leases = current.map(({ lease }) => lease);
      const renewed = new Set(await this.#store.leases.renew(leases, this.#node, leaseMs));
      for (const held of current) {
        if (renewed.has(held.lease)) held.knownAt = startedAt;
        else this.lose(held);
      }
    } catch (error) {
      this.#logger.warn({ err: error }, 'cannot renew leases');
      this.#loseExpiring();
    } finally {
      this.#isRenewing = false;
    }
  }

  /**
   * Drops leases that may expire before the next renewal. While the store cannot be reached, another node could take
   * them unnoticed.
   */
  #loseExpiring(): void {
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
