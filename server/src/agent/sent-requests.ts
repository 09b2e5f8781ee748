import type { SentRequestInfo } from '@devlm/protocol/sent-requests.ts';
import { LRUCache } from 'lru-cache';
import type { ModelRequest } from '../llm/model.ts';
import { requestChars } from '../llm/prompt-size.ts';

/** Maximum number of requests that are kept, and their maximum total size in characters. */
const kept = { requests: 100, chars: 16_000_000 };

/** A request that was sent to a model for a step. */
export interface SentRequest {
  readonly conversationId: string;
  readonly turnId: string;
  readonly info: SentRequestInfo;
  /** The request without credentials. */
  readonly request: ModelRequest;
}

/** The newest requests that were sent to models, in memory, by step, so that developers can look at them. */
export class SentRequests {
  readonly #byStep = new LRUCache<string, SentRequest>({
    max: kept.requests,
    maxSize: kept.chars,
    sizeCalculation: ({ info }) => Math.max(1, info.chars),
  });

  /** Keeps the request of a step. A retry of the step replaces its request. */
  add(ids: { conversationId: string; turnId: string; stepId: string }, request: ModelRequest): void {
    const { conversationId, turnId, stepId } = ids;
    const { model, messages } = request;
    const sentAt = new Date().toISOString();
    const info = { stepId, sentAt, model, messages: messages.length, chars: requestChars(request) };
    this.#byStep.set(stepId, { conversationId, turnId, info, request });
  }

  /** Returns the requests of a turn, oldest first. */
  list(conversationId: string, turnId: string): SentRequestInfo[] {
    const sent = [...this.#byStep.values()].filter(
      (entry) => entry.conversationId === conversationId && entry.turnId === turnId,
    );
    return sent.map(({ info }) => info).toSorted((a, b) => a.sentAt.localeCompare(b.sentAt));
  }

  /** Returns the request of a step, or undefined if the server does not have it. */
  get(conversationId: string, turnId: string, stepId: string): SentRequest | undefined {
    const sent = this.#byStep.get(stepId);
    return sent?.conversationId === conversationId && sent.turnId === turnId ? sent : undefined;
  }
}
