import { isDeepStrictEqual } from 'node:util';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { MemoryFanout } from '../../server/src/storage/memory/memory-fanout.ts';
import type { Fanout, NodeMessage } from '../../server/src/storage/ports/fanout.ts';
import { RedisConnection } from '../../server/src/storage/redis/connection.ts';
import { RedisFanout } from '../../server/src/storage/redis/redis-fanout.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const logger = pino({ level: 'silent' });
const appended = (conversationId: string): NodeMessage => ({ kind: 'appended', conversationId });
const hello = appended('hello');

interface Node extends AsyncDisposable {
  readonly fanout: Fanout;
  readonly heard: NodeMessage[];
  greeted(): number;
}

function listening(fanout: Fanout, dispose: () => Promise<void>): Node {
  const heard: NodeMessage[] = [];
  let greeted = 0;
  fanout.onMessage((message) => {
    if (isDeepStrictEqual(message, hello)) greeted++;
    else heard.push(message);
  });
  return { fanout, heard, greeted: () => greeted, [Symbol.asyncDispose]: dispose };
}

async function redisNode(url: string): Promise<Node> {
  const redis = await RedisConnection.open(url, logger);
  const ears = await RedisConnection.open(url, logger);
  const fanout = new RedisFanout(redis, ears);
  return listening(fanout, async () => {
    fanout[Symbol.dispose]();
    await Promise.all([redis[Symbol.asyncDispose](), ears[Symbol.asyncDispose]()]);
  });
}

/** Messages that were published before a node listens are not meant for it. */
async function connected(from: Node, to: Node): Promise<void> {
  const before = to.greeted();
  const greet = () => {
    from.fanout.publish(hello);
    expect(to.greeted()).toBeGreaterThan(before);
  };
  await vi.waitFor(greet, { timeout: 20_000 });
}

describe.each(['memory', 'redis'] as const)('messages between nodes by way of %s', (kind) => {
  let redis: RedisServer | undefined;
  let one: Node;
  let two: Node;

  beforeAll(async () => {
    if (kind === 'redis') {
      redis = await startRedis();
      one = await redisNode(redis.url);
      two = await redisNode(redis.url);
    } else {
      const first = new MemoryFanout();
      one = listening(first, async () => undefined);
      two = listening(new MemoryFanout(first), async () => undefined);
    }
    await connected(one, two);
    await connected(two, one);
  });
  afterAll(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  test('a message reaches the other nodes unchanged, and not the sender', async () => {
    const usage = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4 };
    const today = { ...usage, costUsd: 0.5, unpricedSteps: 0 };
    const sent: NodeMessage[] = [
      appended('a'),
      { kind: 'listed', conversationId: 'b' },
      { kind: 'spent' },
      { kind: 'notice', notice: { type: 'usage.changed', today }, userId: 'somebody' },
    ];
    for (const message of sent) one.fanout.publish(message);
    await expect.poll(() => two.heard).toEqual(sent);
    two.fanout.publish(appended('end'));
    await expect.poll(() => one.heard).toEqual([appended('end')]);
  });

  test('a listener receives messages until it is removed', async () => {
    const heard: NodeMessage[] = [];
    const ears = two.fanout.onMessage((message) => heard.push(message));
    one.fanout.publish(appended('first'));
    await expect.poll(() => heard).toEqual([appended('first')]);
    ears[Symbol.dispose]();
    two.heard.length = 0;
    one.fanout.publish(appended('second'));
    await expect.poll(() => two.heard).toEqual([appended('second')]);
    expect(heard).toHaveLength(1);
  });
});

test('invalid messages in the Redis channel are ignored', async () => {
  await using redis = await startRedis();
  await using one = await redisNode(redis.url);
  await using two = await redisNode(redis.url);
  await connected(one, two);
  const messages = ['', '{', 'null', '{"from":"x","message":{"kind":"new in a later version"}}', '[1]'];
  for (const text of messages) redis.cli('publish', 'devlm:nodes', text);
  one.fanout.publish(appended('good'));
  await expect.poll(() => two.heard).toEqual([appended('good')]);
});

test('nodes receive messages again after Redis was unavailable', { timeout: 60_000 }, async () => {
  await using redis = await startRedis();
  await using one = await redisNode(redis.url);
  await using two = await redisNode(redis.url);
  await connected(one, two);
  await redis.kill();
  one.fanout.publish(appended('lost'));
  await redis.start();
  await connected(one, two);
  expect(two.heard).not.toContainEqual(appended('lost'));
});
