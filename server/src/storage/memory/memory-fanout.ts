import type { Fanout, NodeMessage } from '../ports/fanout.ts';

/** Fanout between nodes in the same process. A single server has no other nodes to reach. */
export class MemoryFanout implements Fanout {
  readonly #nodes: Set<MemoryFanout>;
  readonly #listeners = new Set<(message: NodeMessage) => void>();

  /** @param neighbor another node in the same process; default: none */
  constructor(neighbor?: MemoryFanout) {
    this.#nodes = neighbor ? neighbor.#nodes : new Set();
    this.#nodes.add(this);
  }

  publish(message: NodeMessage): void {
    for (const node of this.#nodes) if (node !== this) for (const listener of node.#listeners) listener(message);
  }

  onMessage(listener: (message: NodeMessage) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
