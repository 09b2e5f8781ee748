import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { AnswerSink } from '../../llm/answers/answer-sink.ts';
import type { Answers } from '../../llm/answers/answers.ts';
import { answerKey, CacheWish } from '../../llm/answers/key.ts';
import type { Identity } from '../identity/tokens.ts';
import type { Try } from './forward.ts';
import type { Peeked } from './peek.ts';

/** How the ledger names it, where an instance would stand. */
const cacheInstance = 'cache';

const noTokens = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/** Answers of the Messages endpoint that several clients get: what is asked at the same time, and what was asked before. */
export class GivenAgain {
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  /** Null: each such call is made. A person's answers are theirs alone. */
  keyOf({ headers }: IncomingMessage, path: string, body: Buffer, peeked: Peeked, { user }: Identity): string | null {
    const wish = CacheWish.parse(headers['x-devlm-cache']);
    // Most requests end here, without being parsed.
    if (wish === undefined && peeked.temperature !== 0) return null;
    const about = [path, headers['anthropic-version'], headers['anthropic-beta']].map(String);
    return answerKey(body, wish, user, about);
  }

  /**
   * Sends the answer, wherever it comes from: `x-devlm-cache` says it.
   *
   * @param signal aborts when this client leaves, and when the server closes
   * @returns what the ledger says of it; null where the call was made for it, and is noted by that
   * @throws what `ask` throws, and the signal's reason
   */
  async give(
    key: string,
    ask: (sink: AnswerSink, signal: AbortSignal) => Promise<void>,
    response: ServerResponse,
    { model, requestId, signal }: { model: string; requestId: string; signal: AbortSignal },
  ): Promise<Try | null> {
    const start = performance.now();
    const { source, status, headers, body } = await this.#answers.get(key, ask, signal);
    const firstTokenMs = Math.round(performance.now() - start);
    response.writeHead(status, { ...headers, 'x-devlm-cache': source, 'x-devlm-request-id': requestId });
    response.flushHeaders();
    const outcome = await pipeline(body, response).then(
      () => 'answered' as const,
      () => 'cut' as const,
    );
    // What was cut off must not look whole to the client.
    if (outcome === 'cut') response.destroy();
    if (source === 'asked') return null;
    const latencyMs = Math.round(performance.now() - start);
    return { model, usage: noTokens, instance: cacheInstance, latencyMs, firstTokenMs, outcome };
  }
}
