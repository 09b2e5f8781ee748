import type { Fanout, NodeMessage } from '../ports/fanout.ts';

/** Among those who were given one of these in this process. A server alone reaches nobody. */
export class MemoryFanout implements Fanout {
  readonly #others: Set<MemoryFanout>;
  readonly #listeners = new Set<(message: NodeMessage) => void>();

  /** @param beside another node in the same process. Default: none. */
  constructor(beside?: MemoryFanout) {
    this.#others = beside ? beside.#others : new Set();
    this.#others.add(this);
  }

  publish(message: NodeMessage): void {
    for (const other of this.#others) if (other !== this) for (const hear of other.#listeners) hear(message);
  }

  onMessage(hear: (message: NodeMessage) => void): Disposable {
    this.#listeners.add(hear);
    return { [Symbol.dispose]: () => this.#listeners.delete(hear) };
  }
}
