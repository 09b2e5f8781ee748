import { connect } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import type { MessageCreateParamsStreaming } from '@anthropic-ai/sdk/resources/messages';
import { describe, expect, onTestFinished, test } from 'vitest';
import { rawSse, type Wire } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';

const words = 'The quick brown fox jumps over the lazy dog. '.repeat(8);
const request: MessageCreateParamsStreaming = {
  model: 'claude-opus-5-5',
  max_tokens: 4096,
  stream: true,
  messages: [{ role: 'user', content: 'go' }],
};

async function begin(wire: Wire | undefined, blocks = words) {
  const claude = await startClaude({ scenarios: [{ match: any, answer: { blocks, wire } }] });
  onTestFinished(() => claude[Symbol.asyncDispose]());
  const sdk = new Anthropic({ apiKey: 'k', baseURL: claude.url, maxRetries: 0, logLevel: 'off' });
  return { claude, sdk };
}

interface Heard {
  /** The body without the chunk framing. */
  readonly body: string;
  readonly head: string;
  readonly arrivals: number;
  /** Whether the last chunk arrived, so that the body is complete. */
  readonly complete: boolean;
  readonly error: string | undefined;
}

/** Sends raw HTTP, to see which bytes are really sent. */
function listen(url: string, body: object = request, patience = 300): Promise<Heard> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const json = JSON.stringify(body);
    const chunks: Buffer[] = [];
    let error: string | undefined;
    const lines = ['POST /v1/messages HTTP/1.1', 'host: x', 'x-api-key: k', 'anthropic-version: 2023-06-01'];
    socket.write(`${lines.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`);
    socket.setTimeout(patience, () => socket.destroy());
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) socket.destroy();
    });
    socket.on('error', (thrown: NodeJS.ErrnoException) => {
      error = thrown.code;
    });
    socket.on('close', () => {
      const all = Buffer.concat(chunks);
      const split = all.indexOf('\r\n\r\n');
      const head = all.subarray(0, split).toString();
      const { data, complete } = dechunk(all.subarray(split + 4));
      resolve({ head, body: data.toString(), arrivals: chunks.length, complete, error });
    });
  });
}

function dechunk(bytes: Buffer): { data: Buffer; complete: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return { data: Buffer.concat(parts), complete: false };
    const length = Number.parseInt(bytes.subarray(at, end).toString(), 16);
    if (length === 0) return { data: Buffer.concat(parts), complete: true };
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

function events(body: string): string[] {
  return [...body.matchAll(/^event: (.*?)\r?$/gm)].map((match) => match[1] ?? '');
}

async function textOf(sdk: Anthropic): Promise<string> {
  const message = await sdk.messages.stream({ ...request }).finalMessage();
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

describe('response headers', () => {
  test('the headers of a stream are those of the API', async () => {
    const { claude } = await begin(undefined);
    const { head } = await listen(claude.url);
    expect(head).toMatch(/^HTTP\/1.1 200/);
    for (const header of [
      'content-type: text/event-stream; charset=utf-8',
      'request-id: req_',
      'anthropic-ratelimit-requests-remaining: 3999',
      'anthropic-ratelimit-output-tokens-reset: 20',
    ]) {
      expect(head).toContain(header);
    }
  });
});

describe('unusual but valid transmission', () => {
  test.each<[string, Wire]>([
    ['byte by byte', { chunkBytes: 1 }],
    ['seven bytes at a time, with CRLF', { chunkBytes: 7, crlf: true }],
    ['all in one piece', { chunkBytes: Number.POSITIVE_INFINITY }],
    ['CRLF', { crlf: true }],
    ['slow to start', { headersDelayMs: 30 }],
    [
      'events and deltas of unknown kinds',
      {
        inject: [
          { afterEvents: 1, event: 'from_the_future', data: { type: 'from_the_future', x: 1 } },
          {
            afterEvents: 4,
            event: 'content_block_delta',
            data: { type: 'content_block_delta', index: 0, delta: { type: 'aroma_delta', aroma: 'mint' } },
          },
        ],
      },
    ],
  ])('the SDK reads a complete answer: %s', async (_, wire) => {
    const owls = `🦉 ${words}`;
    const { sdk } = await begin(wire, owls);
    expect(await textOf(sdk)).toBe(owls);
  });

  test('an answer can be sent byte by byte', async () => {
    const { claude } = await begin({ chunkBytes: 1 }, 'short');
    const small = await listen(claude.url);
    expect(small.complete).toBe(true);
    expect(events(small.body)).toContain('message_stop');
    expect(small.arrivals).toBeGreaterThan(small.body.length / 10);
  });

  test('an answer can have CRLF line ends throughout', async () => {
    const { claude } = await begin({ crlf: true });
    expect((await listen(claude.url)).body.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });

  test('an answer can have a wrong content type', async () => {
    const { claude } = await begin({ contentType: 'text/html' });
    expect((await listen(claude.url)).head).toContain('content-type: text/html');
  });
});

describe('cuts', () => {
  test.each([1, 137, 500, 1001])('an answer is cut after exactly %i bytes of the body', async (atByte) => {
    const whole = await listen((await begin(undefined)).claude.url);
    const { claude, sdk } = await begin({ cut: { atByte } });
    const heard = await listen(claude.url);
    expect(heard.body).toHaveLength(atByte);
    expect(heard.complete).toBe(false);
    expect(heard.body.slice(0, 100)).toBe(whole.body.slice(0, Math.min(100, atByte)));
    await expect(textOf(sdk)).rejects.toBeInstanceOf(Anthropic.AnthropicError);
    expect((await claude.received(2)).hungUp).toBeUndefined();
  });

  test('an answer can be cut between events', async () => {
    const { claude } = await begin({ cut: { afterEvents: 5 } });
    const heard = await listen(claude.url);
    expect(events(heard.body)).toHaveLength(5);
    expect(heard.body.endsWith('\n\n')).toBe(true);
    expect(heard.complete).toBe(false);
    expect(heard.error).toBeUndefined();
  });

  test('an answer can be cut with a reset', async () => {
    const { claude } = await begin({ cut: { afterEvents: 3, reset: true } });
    expect((await listen(claude.url)).error).toBe('ECONNRESET');
  });

  test('an answer that is not streamed can be cut', async () => {
    const { claude, sdk } = await begin({ cut: { atByte: 50 } });
    await expect(sdk.messages.create({ ...request, stream: false })).rejects.toThrow('terminated');
    expect(claude.messages).toHaveLength(1);
  });

  test('an answer can be cut at any byte', async () => {
    const { claude } = await begin(undefined);
    const whole = (await listen(claude.url, request)).body.replaceAll(/msg_\d+/g, '');
    for (let atByte = 0; atByte < 700; atByte += 23) {
      claude.on(any, { blocks: words, wire: { cut: { atByte } } });
      const heard = await listen(claude.url);
      expect(heard.body).toHaveLength(atByte);
      if (atByte > 200) expect(whole.startsWith(heard.body.replaceAll(/msg_\d+/g, ''))).toBe(true);
    }
  });
});

describe('silence', () => {
  test('an answer can fall silent after some events, until the client gives up', async () => {
    const { claude } = await begin({ stall: { afterEvents: 4 } });
    const heard = await listen(claude.url);
    expect(events(heard.body)).toHaveLength(4);
    expect(heard.complete).toBe(false);
    const record = await claude.received();
    await record.done;
    expect(record.hungUp?.bytesSent).toBe(heard.body.length);
  });

  test('an answer can fall silent in the middle of an event', async () => {
    const { claude } = await begin({ stall: { atByte: 321 } });
    expect((await listen(claude.url)).body).toHaveLength(321);
  });

  test('a silent answer can send pings', async () => {
    const { claude } = await begin({ stall: { afterEvents: 4, pingEveryMs: 20 } });
    const stop = setTimeout(() => void claude[Symbol.asyncDispose](), 250);
    const heard = await listen(claude.url);
    clearTimeout(stop);
    expect(events(heard.body).filter((event) => event === 'ping').length).toBeGreaterThan(3);
    expect(events(heard.body)).not.toContain('message_stop');
  });

  test('a silent answer continues when its promise is fulfilled', async () => {
    const gate = Promise.withResolvers<void>();
    const { claude, sdk } = await begin({ stall: { atByte: 700, until: gate.promise } });
    const answer = textOf(sdk);
    const record = await claude.received();
    setTimeout(gate.resolve, 50);
    expect(await answer).toBe(words);
    expect(record.hungUp).toBeUndefined();
  });
});

describe('errors after the start', () => {
  test.each([
    ['overloaded_error', 529],
    ['api_error', 500],
  ])('a failed answer has %s in the stream, or status %i without a stream', async (type, status) => {
    const { claude, sdk } = await begin({ error: { afterEvents: 6, type } });
    const heard = await listen(claude.url);
    expect(events(heard.body).slice(0, 7).at(-1)).toBe('error');
    expect(events(heard.body)).toHaveLength(7);
    expect(heard.complete).toBe(true);
    await expect(textOf(sdk)).rejects.toMatchObject({ type, status: undefined });
    await expect(sdk.messages.create({ ...request, stream: false })).rejects.toMatchObject({ type, status });
  });
});

test('faults apply to raw bodies too', async () => {
  const { claude } = await begin(undefined);
  const raw = 'event: a\ndata: {}\n\nevent: b\ndata: {}\n\nevent: c\ndata: {}\n\n';
  claude.on(any, rawSse(raw, { cut: { afterEvents: 2 } }));
  expect((await listen(claude.url)).body).toBe(raw.slice(0, 38));
});

test('hundreds of answers are sent at once over kept-alive connections', async () => {
  const { sdk } = await begin(undefined);
  const answers = await Promise.all(Array.from({ length: 200 }, () => textOf(sdk)));
  expect(new Set(answers)).toEqual(new Set([words]));
});
