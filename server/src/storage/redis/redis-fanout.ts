import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Fanout, maxMessageChars, NodeMessage } from '../ports/fanout.ts';
import { keyPrefix, type RedisConnection } from './connection.ts';

/** Channel of all messages: its cost does not grow with the number of conversations. */
const channel = `${keyPrefix}nodes`;
/** Interval at which the subscriber is pinged, in milliseconds. Without a ping, a broken connection looks like a quiet one. */
const probeIntervalMs = 5_000;

const Envelope = z.object({ from: z.string(), message: NodeMessage });

/** Fanout through a channel of Redis. Messages that are published while Redis is unavailable are lost. */
export class RedisFanout implements Fanout, Disposable {
  readonly #redis: RedisConnection;
  readonly #listeners = new Set<(message: NodeMessage) => void>();
  readonly #id = randomUUID();
  readonly #probeTimer: NodeJS.Timeout;

  /**
   * @param redis connection that publishes
   * @param subscriber separate connection that receives, because a subscribed connection cannot run commands;
   *   subscribed again whenever it reconnects
   */
  constructor(redis: RedisConnection, subscriber: RedisConnection) {
    this.#redis = redis;
    subscriber.subscribe(channel, (text) => this.#receive(text));
    this.#probeTimer = setInterval(() => void subscriber.ask((client) => client.ping()), probeIntervalMs).unref();
  }

  publish(message: NodeMessage): void {
    const text = JSON.stringify({ from: this.#id, message });
    if (text.length <= maxMessageChars) void this.#redis.ask((client) => client.publish(channel, text));
  }

  onMessage(listener: (message: NodeMessage) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Stops pinging. The connections are closed by their owner. */
  [Symbol.dispose](): void {
    clearInterval(this.#probeTimer);
  }

  /** Passes a message on. Another version of DevLM may send messages that this one does not understand: they are dropped. */
  #receive(text: string): void {
    const envelope = text.length <= maxMessageChars ? Envelope.safeParse(parse(text)) : undefined;
    if (!envelope?.success || envelope.data.from === this.#id) return;
    for (const listener of this.#listeners) listener(envelope.data.message);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
