import * as z from 'zod';
import { Id } from './ids.ts';

const turn = z.object({ conversationId: Id, turnId: Id });

/** A request that was sent to a model, without its content. */
export const SentRequestInfo = z.object({
  stepId: Id,
  sentAt: z.iso.datetime(),
  model: z.string(),
  messages: z.int().min(0),
  /** Number of characters of the prompt. */
  chars: z.int().min(0),
});
export type SentRequestInfo = z.infer<typeof SentRequestInfo>;

/**
 * Routes that show developers what was sent to the model. The server keeps only the newest requests, in memory, without
 * credentials.
 */
export const sentRequestRoutes = {
  /** Lists the requests of a turn that the server still has, oldest first. */
  'sentRequests.list': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns/:turnId/requests',
    params: turn,
    response: z.object({ requests: z.array(SentRequestInfo) }),
  },
  /** Returns the request of a step. Images are replaced with their type and size. */
  'sentRequests.get': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns/:turnId/requests/:stepId',
    params: turn.extend({ stepId: Id }),
    response: SentRequestInfo.extend({ request: z.record(z.string(), z.json()) }),
  },
} as const;
