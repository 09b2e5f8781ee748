type Listener = ((...args: unknown[]) => void) & { listener?: Listener };
type Name = string | symbol;

export class EventEmitter {
  #listeners = new Map<Name, Listener[]>();

  on(name: Name, listener: Listener): this {
    if (typeof listener !== 'function') throw new TypeError('The "listener" argument must be of type function');
    this.#listeners.set(name, [...this.listenersOf(name), listener]);
    return this;
  }
  addListener(name: Name, listener: Listener): this {
    return this.on(name, listener);
  }
  prependListener(name: Name, listener: Listener): this {
    this.#listeners.set(name, [listener, ...this.listenersOf(name)]);
    return this;
  }
  once(name: Name, listener: Listener): this {
    const wrapped: Listener = (...args) => {
      this.off(name, wrapped);
      listener.apply(this, args);
    };
    wrapped.listener = listener;
    return this.on(name, wrapped);
  }
  off(name: Name, listener: Listener): this {
    const list = this.listenersOf(name);
    const at = list.findLastIndex((one) => one === listener || one.listener === listener);
    if (at >= 0) this.#listeners.set(name, list.toSpliced(at, 1));
    return this;
  }
  removeListener(name: Name, listener: Listener): this {
    return this.off(name, listener);
  }
  removeAllListeners(name?: Name): this {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }
  emit(name: Name, ...args: unknown[]): boolean {
    const list = this.listenersOf(name);
    if (list.length === 0 && name === 'error')
      throw args[0] instanceof Error ? args[0] : new Error(`Unhandled error. (${String(args[0])})`);
    for (const listener of list) listener.apply(this, args);
    return list.length > 0;
  }
  listeners(name: Name): Listener[] {
    return this.listenersOf(name).map((one) => one.listener ?? one);
  }
  rawListeners(name: Name): Listener[] {
    return [...this.listenersOf(name)];
  }
  listenerCount(name: Name): number {
    return this.listenersOf(name).length;
  }
  eventNames(): Name[] {
    return [...this.#listeners].filter(([, list]) => list.length > 0).map(([name]) => name);
  }
  setMaxListeners(): this {
    return this;
  }
  getMaxListeners(): number {
    return 10;
  }
  private listenersOf(name: Name): readonly Listener[] {
    return this.#listeners.get(name) ?? [];
  }
}

export function once(emitter: EventEmitter, name: Name): Promise<unknown[]> {
  return new Promise((done, fail) => {
    const failed: Listener = (error) => fail(error);
    emitter.once(name, (...args) => {
      emitter.off('error', failed);
      done(args);
    });
    if (name !== 'error') emitter.once('error', failed);
  });
}
export default Object.assign(EventEmitter, { EventEmitter, once });
