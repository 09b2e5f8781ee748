import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { noTokens } from '@devlm/protocol/events.ts';
import type { AnswerSink } from '../../llm/answers/answer-sink.ts';
import type { Answers } from '../../llm/answers/answers.ts';
import { answerKey, CacheWish } from '../../llm/answers/key.ts';
import type { Identity } from '../identity/tokens.ts';
import type { Try } from './forward.ts';
import type { Peeked } from './peek.ts';

/** Name that the ledger has for the cache, in place of an instance. */
const cacheInstance = 'cache';

/** Shares answers of the Messages endpoint among equal requests: those made at the same time and those made later. */
export class SharedAnswers {
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  /** Returns the cache key of a request; null if its answer must not be shared. Answers are never shared between users. */
  keyOf({ headers }: IncomingMessage, path: string, body: Buffer, peeked: Peeked, { user }: Identity): string | null {
    const wish = CacheWish.parse(headers['x-devlm-cache']);
    // Most requests end here, without being parsed.
    if (wish === undefined && peeked.temperature !== 0) return null;
    const about = [path, headers['anthropic-version'], headers['anthropic-beta']].map(String);
    return answerKey(body, wish, user, about);
  }

  /**
   * Sends the answer from the cache, from a call in progress or from a new call. The header `x-devlm-cache` says which.
   *
   * @param signal aborts when this client disconnects or the server closes
   * @returns the entry for the ledger; null if a call was made, which adds its own entry
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
    // Destroy the connection, so that a truncated answer does not look complete to the client.
    if (outcome === 'cut') response.destroy();
    if (source === 'asked') return null;
    const latencyMs = Math.round(performance.now() - start);
    return { model, usage: noTokens, instance: cacheInstance, latencyMs, firstTokenMs, outcome };
  }
}
