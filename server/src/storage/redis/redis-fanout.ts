import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Fanout, messageChars, NodeMessage } from '../ports/fanout.ts';
import { keyPrefix, type RedisConnection } from './connection.ts';

/** One for everything: what it costs does not grow with the conversations. */
const channel = `${keyPrefix}nodes`;
/** How often the line is tried, milliseconds: a broken one that nobody writes to looks like a quiet one. */
const probeMs = 5_000;

const Envelope = z.object({ from: z.string(), message: NodeMessage });

/** By way of a channel of Redis. What is published while Redis is away is lost. */
export class RedisFanout implements Fanout, Disposable {
  readonly #redis: RedisConnection;
  readonly #listeners = new Set<(message: NodeMessage) => void>();
  readonly #id = randomUUID();
  readonly #probe: NodeJS.Timeout;

  /** @param listening a connection of its own: one that listens cannot ask. Subscribed again whenever it is back. */
  constructor(redis: RedisConnection, listening: RedisConnection) {
    this.#redis = redis;
    listening.subscribe(channel, (text) => this.#hear(text));
    this.#probe = setInterval(() => void listening.ask((client) => client.ping()), probeMs).unref();
  }

  publish(message: NodeMessage): void {
    const text = JSON.stringify({ from: this.#id, message });
    if (text.length <= messageChars) void this.#redis.ask((client) => client.publish(channel, text));
  }

  onMessage(hear: (message: NodeMessage) => void): Disposable {
    this.#listeners.add(hear);
    return { [Symbol.dispose]: () => this.#listeners.delete(hear) };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#probe);
  }

  /** Another version of DevLM may say what this one does not understand. */
  #hear(text: string): void {
    const envelope = text.length <= messageChars ? Envelope.safeParse(parse(text)) : undefined;
    if (!envelope?.success || envelope.data.from === this.#id) return;
    for (const hear of this.#listeners) hear(envelope.data.message);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
