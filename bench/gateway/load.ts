import { Agent, request as send } from 'node:http';
import { quantile } from '../support/figures.ts';
import type { Target } from './targets.ts';

const body = (stream: boolean) =>
  JSON.stringify({
    model: 'claude-sonnet-5-5',
    max_tokens: 1024,
    ...(stream ? { stream: true } : {}),
    system: 'You are a helpful assistant.',
    messages: [{ role: 'user', content: `Write the numbers from one to two hundred as words. ${'x'.repeat(800)}` }],
  });
const plain = body(false);
const streamed = body(true);

/** Durations of a call. */
export interface Call {
  /** Time to the first text event of a stream, in milliseconds. */
  readonly firstMs: number;
  /** Time to the end of the answer, in milliseconds. */
  readonly totalMs: number;
}

/** Result of a load: its calls and its duration. */
export interface Load {
  readonly calls: readonly Call[];
  readonly seconds: number;
}

/**
 * Makes sequential calls on each of a number of connections for a time.
 * @throws Error if a call gets no complete answer
 */
export async function load(target: Target, connections: number, milliseconds: number, stream: boolean): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const calls: Call[] = [];
  const started = performance.now();
  const until = started + milliseconds;
  const connection = async () => {
    while (performance.now() < until) calls.push(await call(target, agent, stream));
  };
  try {
    await Promise.all(Array.from({ length: connections }, connection));
  } finally {
    agent.destroy();
  }
  return { calls, seconds: (performance.now() - started) / 1000 };
}

function call(target: Target, agent: Agent, stream: boolean): Promise<Call> {
  const text = stream ? streamed : plain;
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const outgoing = send(target.url, {
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'anthropic-version': '2023-06-01',
        ...target.headers,
      },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (answer) => {
      let firstMs = 0;
      let tail = '';
      answer.on('data', (chunk: Buffer) => {
        if (firstMs === 0 && (!stream || chunk.includes('content_block_delta'))) firstMs = performance.now() - started;
        tail = chunk.subarray(-64).toString('latin1');
      });
      answer.once('error', reject);
      answer.once('end', () => {
        const whole = answer.statusCode === 200 && (!stream || tail.includes('message_stop'));
        if (whole) resolve({ firstMs, totalMs: performance.now() - started });
        else reject(new Error(`${target.name} answered ${answer.statusCode}: ${tail}`));
      });
    });
    outgoing.end(text);
  });
}

/** Measures targets in alternating rounds, so that drift of the machine affects all of them. */
export async function sideBySide(
  targets: readonly Target[],
  connections: number,
  options: { rounds: number; milliseconds: number; stream: boolean },
): Promise<Map<Target['name'], Figures>> {
  const loads = new Map<Target['name'], Load[]>();
  for (let round = -1; round < options.rounds; round++) {
    for (const target of targets) {
      const done = await load(target, connections, round < 0 ? 500 : options.milliseconds, options.stream);
      // The first round is a warm-up.
      if (round >= 0) loads.set(target.name, [...(loads.get(target.name) ?? []), done]);
    }
  }
  return new Map([...loads].map(([name, all]) => [name, figuresOf(all)]));
}

/** Medians over the rounds, in requests per second and milliseconds. */
export interface Figures {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly firstP50: number;
}

function figuresOf(loads: readonly Load[]): Figures {
  const median = (of: (load: Load) => number) => quantile(loads.map(of), 0.5);
  return {
    rps: median(({ calls, seconds }) => calls.length / seconds),
    p50: median(({ calls }) =>
      quantile(
        calls.map(({ totalMs }) => totalMs),
        0.5,
      ),
    ),
    p99: median(({ calls }) =>
      quantile(
        calls.map(({ totalMs }) => totalMs),
        0.99,
      ),
    ),
    firstP50: median(({ calls }) =>
      quantile(
        calls.map(({ firstMs }) => firstMs),
        0.5,
      ),
    ),
  };
}
